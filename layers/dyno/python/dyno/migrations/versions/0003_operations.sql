-- PostgreSQL 16+. Rollups that are read in a millisecond, business metrics, redriven letters, and what is done every night.
-- «…#…» stands for its text once per bucket of dyno.metrics.catalogue, with # as the bucket's number, and «bounds» for their
-- upper bounds; see 0003_operations.py.

-- Batches that are under way are waited for, and the others wait, in the order in which a batch locks.
lock table users, metrics, metrics_hourly, metrics_totals, dead_letters, dead_letter_totals in access exclusive mode;

-- Only ingest writes a row, with the user it has just looked up, and no user is ever deleted: asked again for every row, the
-- foreign key was a fifth of a batch, and had whoever makes or drops a partition lock users.
alter table metrics drop constraint metrics_user_id_fkey;

-- As before, but without a FROM: PostgreSQL puts it in place instead of calling it for every row.
create or replace function duration_bucket(p_duration_ms double precision) returns smallint
  language sql immutable parallel safe as $$
  select least(width_bucket(p_duration_ms, «bounds») - (p_duration_ms = any («bounds»))::integer, 63)::smallint
$$;

-- A row per hour and series, a column per bucket: a day of ten million calls is a thousand rows to add up instead of fifteen thousand.
create table metrics_rollups (
  hour timestamptz not null,
  service_name text not null,
  method_name text not null,
  outcome text not null,
  calls integer not null,
  duration_ms_sum double precision not null,
  duration_ms_max double precision not null,
  «bucket_# integer not null», -- of duration_bucket()
  primary key (hour, service_name, method_name, outcome)
) with (fillfactor = 70);
insert into metrics_rollups
select hour, service_name, method_name, outcome, sum(calls), sum(duration_ms_sum), max(duration_ms_max),
       «coalesce(sum(calls) filter (where bucket = #), 0)»
  from metrics_hourly group by hour, service_name, method_name, outcome;

create table metrics_series (                                   -- the same without the hour; never aged, so that counters never fall
  service_name text not null,
  method_name text not null,
  outcome text not null,
  calls bigint not null,
  duration_ms_sum double precision not null,
  duration_ms_max double precision not null,
  «bucket_# bigint not null»,
  primary key (service_name, method_name, outcome)
) with (fillfactor = 50);                                       -- a few hot rows: room to update them in place
insert into metrics_series
select service_name, method_name, outcome, sum(calls), sum(duration_ms_sum), max(duration_ms_max),
       «coalesce(sum(calls) filter (where bucket = #), 0)»
  from metrics_totals group by service_name, method_name, outcome;

-- The previous release reads these until it is replaced; a bucket's share of the time is as its share of the calls.
drop table metrics_hourly, metrics_totals;
create view metrics_hourly as
select hour, service_name, method_name, outcome, (bucket - 1)::smallint as bucket, n::bigint as calls,
       duration_ms_sum * n / r.calls as duration_ms_sum, duration_ms_max
  from metrics_rollups r, unnest(array[«bucket_#»]) with ordinality b (n, bucket) where n > 0;
create view metrics_totals as
select service_name, method_name, outcome, (bucket - 1)::smallint as bucket, n as calls,
       duration_ms_sum * n / s.calls as duration_ms_sum, duration_ms_max
  from metrics_series s, unnest(array[«bucket_#»]) with ordinality b (n, bucket) where n > 0;

-- What record_business_metric() observed.
create table observations (
  event_id text primary key,
  correlation_id text not null,
  user_id integer,
  name text not null,
  kind text not null check (kind in ('counter', 'gauge')),
  unit text not null,
  value double precision not null,
  labels jsonb not null,
  created_at timestamptz not null);
create index observations_by_time on observations (created_at);

create table observation_totals (                               -- a counter's sum, a gauge's newest value; never aged
  name text not null,
  kind text not null,
  unit text not null,
  labels jsonb not null,
  value double precision not null,
  observations bigint not null,
  observed_at timestamptz not null,
  primary key (name, kind, unit, labels));

-- A letter is open until it is redriven or aged; how many were, for good, is counted beside how many there were.
alter table dead_letter_totals add redriven bigint not null default 0, add aged bigint not null default 0;
create index dead_letters_open on dead_letters (id) where redriven_at is null;

-- A batch, whole or not at all: rows, their share of rollups and totals, observations, dead letters; each event and each letter
-- once. Every list is written in the order of its key, and the lists in one order: batches that overlap wait, never deadlock.
-- It runs as its owner, so that the role that feeds it can do nothing else to these tables.
drop function ingest;
create function ingest(p_records jsonb, p_letters jsonb, p_observations jsonb default '[]') returns jsonb
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  v_rows bigint;
  v_oldest timestamptz;
  v_observations bigint := 0;
  v_letters bigint := 0;
begin
  -- First, while nothing else is locked.
  perform create_metrics_partition(month)
     from (select distinct (date_trunc('month', created_at at time zone 'UTC'))::date
             from jsonb_to_recordset(p_records) as r (created_at timestamptz)) needed (month)
    order by month;

  insert into users (sub)
  select distinct sub
    from (select sub from jsonb_to_recordset(p_records) as r (sub text)
          union all select sub from jsonb_to_recordset(p_observations) as o (sub text)) seen
   where sub is not null and not exists (select from users u where u.sub = seen.sub)
   order by sub
      on conflict (sub) do nothing;

  with fresh as (
    insert into metrics (event_id, correlation_id, service_name, method_name, user_id, duration_ms, success, outcome,
                         error_type, error_message, metadata, created_at, parent_event_id)
    select r.event_id, r.correlation_id, r.service, r.method, u.id, r.duration_ms, r.success, r.outcome,
           r.error_type, r.error_message, r.metadata, r.created_at, r.parent_event_id
      from jsonb_to_recordset(p_records) as r (
             event_id text, correlation_id text, service text, method text, sub text, duration_ms double precision,
             success boolean, outcome text, error_type text, error_message text, metadata jsonb,
             created_at timestamptz, parent_event_id text)
      left join users u on u.sub = r.sub
     order by r.event_id, r.created_at
        on conflict (event_id, created_at) do nothing
    returning created_at, service_name, method_name, outcome, duration_ms, duration_bucket(duration_ms) as bucket
  ), shares as materialized (
    select date_trunc('hour', created_at, 'UTC') as hour, service_name, method_name, outcome,
           count(*)::integer as calls, sum(duration_ms) as duration_ms_sum, max(duration_ms) as duration_ms_max,
           «count(*) filter (where bucket = #)::integer as bucket_#», min(created_at) as oldest
      from fresh
     group by 1, 2, 3, 4
  ), hourly as (
    insert into metrics_rollups as known
    select hour, service_name, method_name, outcome, calls, duration_ms_sum, duration_ms_max, «bucket_#»
      from shares order by hour, service_name, method_name, outcome
        on conflict (hour, service_name, method_name, outcome) do update
       set calls = known.calls + excluded.calls,
           duration_ms_sum = known.duration_ms_sum + excluded.duration_ms_sum,
           duration_ms_max = greatest(known.duration_ms_max, excluded.duration_ms_max),
           «bucket_# = known.bucket_# + excluded.bucket_#»
  ), totals as (
    insert into metrics_series as known
    select service_name, method_name, outcome, sum(calls), sum(duration_ms_sum), max(duration_ms_max), «sum(bucket_#)»
      from shares
     group by service_name, method_name, outcome
     order by service_name, method_name, outcome
        on conflict (service_name, method_name, outcome) do update
       set calls = known.calls + excluded.calls,
           duration_ms_sum = known.duration_ms_sum + excluded.duration_ms_sum,
           duration_ms_max = greatest(known.duration_ms_max, excluded.duration_ms_max),
           «bucket_# = known.bucket_# + excluded.bucket_#»
  )
  select coalesce(sum(calls), 0), min(oldest) into v_rows, v_oldest from shares;

  if p_observations <> '[]' then
    with fresh as (
      insert into observations (event_id, correlation_id, user_id, name, kind, unit, value, labels, created_at)
      select o.event_id, o.correlation_id, u.id, o.name, o.kind, o.unit, o.value, o.labels, o.created_at
        from jsonb_to_recordset(p_observations) as o (
               event_id text, correlation_id text, sub text, name text, kind text, unit text, value double precision,
               labels jsonb, created_at timestamptz)
        left join users u on u.sub = o.sub
       order by o.event_id
          on conflict (event_id) do nothing
      returning event_id, name, kind, unit, value, labels, created_at
    ), placed as (
      -- Labels without end would be a page without end: beyond so many sets of a metric's, what is new shares one.
      select f.*, case when k.name is not null or rank <= max_label_sets - others then f.labels
                       else '{"overflow": "true"}' end as shown
        from (select *, dense_rank() over (partition by name, kind, unit order by labels) as rank from fresh) f
       cross join (select 500 as max_label_sets) bound
       cross join lateral (select count(*) as others from observation_totals t
                            where t.name = f.name and t.kind = f.kind and t.unit = f.unit) o
        left join observation_totals k
          on k.name = f.name and k.kind = f.kind and k.unit = f.unit and k.labels = f.labels
    ), shares as materialized (
      select name, kind, unit, shown as labels, count(*) as observations, max(created_at) as observed_at,
             case kind when 'counter' then sum(value)
                       else (array_agg(value order by created_at desc, event_id desc))[1] end as value
        from placed
       group by name, kind, unit, shown
    ), totals as (
      insert into observation_totals as known (name, kind, unit, labels, value, observations, observed_at)
      select name, kind, unit, labels, value, observations, observed_at from shares order by name, kind, unit, labels
          on conflict (name, kind, unit, labels) do update
         set value = case when excluded.kind = 'counter' then known.value + excluded.value
                          when excluded.observed_at >= known.observed_at then excluded.value
                          else known.value end,
             observations = known.observations + excluded.observations,
             observed_at = greatest(known.observed_at, excluded.observed_at)
    )
    select coalesce(sum(observations), 0) into v_observations from shares;
  end if;

  if p_letters <> '[]' then
    with fresh as (
      insert into dead_letters (letter_id, reason, line, received_at)
      select letter_id, reason, line, received_at
        from jsonb_to_recordset(p_letters) as l (letter_id text, reason text, line text, received_at timestamptz)
       order by letter_id
          on conflict (letter_id) do nothing
      returning reason
    ), totals as (
      insert into dead_letter_totals as known (reason, letters)
      select reason, count(*) from fresh group by reason order by reason
          on conflict (reason) do update set letters = known.letters + excluded.letters
    )
    select count(*) into v_letters from fresh;
  end if;

  return jsonb_build_object('rows', v_rows, 'observations', v_observations, 'dead_letters', v_letters,
                            'oldest', v_oldest,
                            'has_open_letters', exists (select from dead_letters where redriven_at is null));
end $$;

-- Of letters whose lines were taken in after all, close those that are open, and count them.
create function close_dead_letters(p_letter_ids text[]) returns bigint
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  v_closed bigint;
begin
  if not exists (select from dead_letters where letter_id = any (p_letter_ids) and redriven_at is null) then
    return 0;
  end if;
  perform from dead_letter_totals order by reason for update;   -- an update takes its rows in no order
  with closed as (
    update dead_letters set redriven_at = clock_timestamp()
     where id in (select id from dead_letters where letter_id = any (p_letter_ids) and redriven_at is null
                   order by letter_id for update)
    returning reason
  ), totals as (
    update dead_letter_totals t set redriven = t.redriven + c.letters
      from (select reason, count(*) as letters from closed group by reason) c
     where t.reason = c.reason
  )
  select count(*) into v_closed from closed;
  return v_closed;
end $$;

-- How the lab is doing since a moment: who booked, and how many bookings are kept, that is committed and not cancelled within a day.
create index bookings_by_time on occupancies (created_at) include (status, cancelled_at, booked_by) where kind = 'allocation';
create function lab_activity(p_users_since timestamptz, p_bookings_since timestamptz)
returns table (active_users bigint, kept_allocations bigint)
  language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
  select count(distinct booked_by) filter (where created_at >= p_users_since),
         count(*) filter (where created_at >= p_bookings_since)
    from occupancies
   where kind = 'allocation' and created_at >= least(p_users_since, p_bookings_since)
     and (status in ('scheduled', 'in_progress', 'completed')
          or (status = 'cancelled' and cancelled_at >= created_at + interval '24 hours'))
$$;

-- Nightly, the metrics, in three transactions, none of which holds what another waits for: create_metrics_partition() for the
-- months ahead, then these two. What is older than its retention goes, but never what was counted.
create function age_metrics(p_before timestamptz) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  v_hours bigint;
  v_observations bigint;
  v_letters bigint;
begin
  delete from metrics_rollups where hour < date_trunc('hour', p_before, 'UTC');
  get diagnostics v_hours = row_count;

  delete from observations where created_at < p_before;
  get diagnostics v_observations = row_count;

  perform from dead_letter_totals order by reason for update;   -- an update takes its rows in no order
  with gone as (
    delete from dead_letters where received_at < p_before returning reason, redriven_at
  ), totals as (
    update dead_letter_totals t set aged = t.aged + g.letters
      from (select reason, count(*) as letters from gone where redriven_at is null group by reason) g
     where t.reason = g.reason
  )
  select count(*) into v_letters from gone;

  return jsonb_build_object('rollup_rows', v_hours, 'observations', v_observations, 'dead_letters', v_letters);
end $$;

-- Dropping a partition locks its table for everybody: one that is busy for longer than others may wait is left.
create function drop_metrics_partitions(p_before timestamptz) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp set lock_timeout = '2s' as $$
declare
  v_partition text;
  v_dropped text[] := '{}';
  v_busy text[] := '{}';
begin
  for v_partition in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = 'metrics'::regclass and c.relname ~ '^metrics_\d{4}_\d{2}$'
       and (to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month') at time zone 'UTC' <= p_before
     order by c.relname
  loop
    begin
      execute format('drop table public.%I', v_partition);
      v_dropped := v_dropped || v_partition;
    exception when lock_not_available or deadlock_detected then
      v_busy := v_busy || v_partition;
    end;
  end loop;
  return jsonb_build_object('partitions_dropped', v_dropped, 'partitions_busy', v_busy);
end $$;

-- Nightly, the lab: holds that ran out lapse even where nobody wants the days, and keys that no retry may use any more go.
create function sweep(p_keys_older_than interval) returns table (lapsed bigint, keys bigint)
  language sql security definer set search_path = pg_catalog, public, pg_temp as $$
  with over as (
    select id from occupancies where status = 'held' and expires_at <= clock_timestamp() order by id for update skip locked
  ), lapsed as (
    update occupancies o set status = 'lapsed', expires_at = null, version = version + 1 from over where o.id = over.id
    returning o.id
  ), noted as (
    insert into history (occupancy_id, action, actor) select id, 'lapse', 'system' from lapsed order by id
  ), keys as (
    delete from idempotency_keys where created_at < clock_timestamp() - p_keys_older_than returning 1
  )
  select (select count(*) from lapsed), (select count(*) from keys)
$$;

revoke execute on function ingest, close_dead_letters, lab_activity, age_metrics, drop_metrics_partitions, sweep from public;
grant execute on function ingest, close_dead_letters, lab_activity to dyno_ingest;
grant execute on function create_metrics_partition, age_metrics, drop_metrics_partitions, sweep to dyno_lifecycle;
grant select on metrics_series, metrics_totals, observation_totals, dead_letters to dyno_ingest;   -- for the snapshot, and to try letters again
grant select on metrics_rollups, metrics_series, metrics_hourly, metrics_totals, observation_totals to dyno_metrics;
