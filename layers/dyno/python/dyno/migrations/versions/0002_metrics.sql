-- PostgreSQL 16+. What the calls left behind, counted once each, and the one call that writes it.

-- An identity column on a partitioned table needs PostgreSQL 17.
create sequence metrics_id;

create table metrics (
  id bigint not null default nextval('metrics_id'),
  event_id text not null,
  correlation_id text not null,
  service_name text not null,
  method_name text not null,
  user_id integer references users on delete set null,
  duration_ms double precision not null check (duration_ms >= 0),
  success boolean not null,
  outcome text not null check (outcome in ('success', 'rejected', 'error')),
  error_type text,
  error_message text,
  metadata jsonb,
  created_at timestamptz not null,                              -- from the line: a default would make every redelivery a new row
  parent_event_id text,
  constraint success_is_an_outcome check (success = (outcome = 'success')),
  primary key (event_id, created_at)                            -- a unique key of a partitioned table holds its partition key
) partition by range (created_at);
create index metrics_by_method on metrics (service_name, method_name);
create index metrics_by_time on metrics (created_at);
create index metrics_by_correlation on metrics (correlation_id);
create index metrics_by_user on metrics (user_id, created_at, success);

-- Kept by ingest, never recomputed: recounting beside a concurrent ingest goes stale.
create table metrics_hourly (
  hour timestamptz not null,
  service_name text not null,
  method_name text not null,
  outcome text not null,
  bucket smallint not null,                                     -- of duration_bucket(); a bucket nobody fell into has no row
  calls bigint not null,
  duration_ms_sum double precision not null,
  duration_ms_max double precision not null,
  primary key (hour, service_name, method_name, outcome, bucket)
) with (fillfactor = 70);

create table metrics_totals (                                   -- the same without the hour; never aged, so that counters never fall
  service_name text not null,
  method_name text not null,
  outcome text not null,
  bucket smallint not null,
  calls bigint not null,
  duration_ms_sum double precision not null,
  duration_ms_max double precision not null,
  primary key (service_name, method_name, outcome, bucket)
) with (fillfactor = 50);                                       -- a few hot rows: room to update them in place

create table dead_letters (
  id bigint generated always as identity primary key,
  letter_id text not null unique,                               -- the log event's id
  reason text not null,
  line text not null,
  received_at timestamptz not null,
  redriven_at timestamptz);

create table dead_letter_totals (
  reason text primary key,
  letters bigint not null);

-- The bounds are dyno.metrics.catalogue.BUCKET_BOUNDS_MS; a bound belongs to its own bucket, so it is taken off again.
create function duration_bucket(p_duration_ms double precision) returns smallint language sql immutable parallel safe as $$
  select least(width_bucket(p_duration_ms, bounds) - (p_duration_ms = any (bounds))::integer, 63)::smallint
    from (values (array[
    0.1, 0.1292, 0.1668, 0.2154, 0.2783, 0.3594, 0.4642, 0.5995, 0.7743, 1.0, 1.292, 1.668, 2.154, 2.783, 3.594,
    4.642, 5.995, 7.743, 10.0, 12.92, 16.68, 21.54, 27.83, 35.94, 46.42, 59.95, 77.43, 100.0, 129.2, 166.8,
    215.4, 278.3, 359.4, 464.2, 599.5, 774.3, 1000.0, 1292.0, 1668.0, 2154.0, 2783.0, 3594.0, 4642.0, 5995.0,
    7743.0, 10000.0, 12920.0, 16680.0, 21540.0, 27830.0, 35940.0, 46420.0, 59950.0, 77430.0, 100000.0, 129200.0,
    166800.0, 215400.0, 278300.0, 359400.0, 464200.0, 599500.0, 774300.0, 1000000.0
    ]::double precision[])) catalogue (bounds)
$$;

create function create_metrics_partition(p_month date) returns boolean
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  first date := make_date(extract(year from p_month)::integer, extract(month from p_month)::integer, 1);
  partition text := 'metrics_' || to_char(first, 'YYYY_MM');
begin
  if to_regclass('public.' || partition) is not null then
    return false;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('dyno metrics partitions', 0));
  if exists (select from pg_class where relname = partition and relnamespace = 'public'::regnamespace) then
    return false;                                               -- made while we waited; to_regclass would not have noticed
  end if;
  -- Made apart and attached: "create table … partition of" would lock out every reader and writer of metrics.
  execute format('create table public.%I (like public.metrics including defaults including constraints)', partition);
  execute format('alter table public.metrics attach partition public.%I for values from (%L) to (%L)', partition,
                 first::timestamp at time zone 'UTC', (first + interval '1 month') at time zone 'UTC');
  return true;
end $$;

-- A batch, whole or not at all: rows, their share of rollups and totals, dead letters; each event and each letter once.
-- Every list is written in the order of its key, and the lists in one order: two batches that overlap wait, never deadlock.
-- It runs as its owner, so that the role that feeds it can do nothing else to these tables.
create function ingest(p_records jsonb, p_letters jsonb) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  v_rows bigint;
  v_letters bigint;
begin
  -- First, while nothing else is locked: attaching a partition locks users.
  perform create_metrics_partition(month)
     from (select distinct (date_trunc('month', created_at at time zone 'UTC'))::date
             from jsonb_to_recordset(p_records) as r (created_at timestamptz)) needed (month)
    order by month;

  insert into users (sub)
  select distinct sub from jsonb_to_recordset(p_records) as r (sub text)
   where sub is not null and not exists (select from users u where u.sub = r.sub)
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
    returning created_at, service_name, method_name, outcome, duration_ms
  ), shares as materialized (
    select date_trunc('hour', created_at, 'UTC') as hour, service_name, method_name, outcome,
           duration_bucket(duration_ms) as bucket,
           count(*) as calls, sum(duration_ms) as duration_ms_sum, max(duration_ms) as duration_ms_max
      from fresh
     group by 1, 2, 3, 4, 5
  ), hourly as (
    insert into metrics_hourly as known
    select * from shares order by hour, service_name, method_name, outcome, bucket
        on conflict (hour, service_name, method_name, outcome, bucket) do update
       set calls = known.calls + excluded.calls,
           duration_ms_sum = known.duration_ms_sum + excluded.duration_ms_sum,
           duration_ms_max = greatest(known.duration_ms_max, excluded.duration_ms_max)
  ), totals as (
    insert into metrics_totals as known
    select service_name, method_name, outcome, bucket, sum(calls), sum(duration_ms_sum), max(duration_ms_max)
      from shares
     group by service_name, method_name, outcome, bucket
     order by service_name, method_name, outcome, bucket
        on conflict (service_name, method_name, outcome, bucket) do update
       set calls = known.calls + excluded.calls,
           duration_ms_sum = known.duration_ms_sum + excluded.duration_ms_sum,
           duration_ms_max = greatest(known.duration_ms_max, excluded.duration_ms_max)
  )
  select coalesce(sum(calls), 0) into v_rows from shares;

  with fresh as (
    insert into dead_letters (letter_id, reason, line, received_at)
    select letter_id, reason, line, received_at
      from jsonb_to_recordset(p_letters) as l (letter_id text, reason text, line text, received_at timestamptz)
     order by letter_id
        on conflict (letter_id) do nothing
    returning reason
  ), totals as (
    insert into dead_letter_totals as known
    select reason, count(*) from fresh group by reason order by reason
        on conflict (reason) do update set letters = known.letters + excluded.letters
  )
  select count(*) into v_letters from fresh;

  return jsonb_build_object('rows', v_rows, 'dead_letters', v_letters);
end $$;

-- The month before for what arrives late, the months ahead so that ingest seldom has to make one.
select create_metrics_partition(((date_trunc('month', now() at time zone 'UTC')) + make_interval(months => ahead))::date)
  from generate_series(-1, 3) ahead;

revoke execute on function ingest, create_metrics_partition from public;
grant execute on function ingest to dyno_ingest;
grant select on metrics_totals, dead_letter_totals to dyno_ingest;     -- for the snapshot
grant select on metrics, metrics_hourly, metrics_totals, dead_letters, dead_letter_totals, alembic_version to dyno_metrics;
