-- PostgreSQL 16+. What the lab refused, what each of its days came to, what is assumed about that, and the reports made of it.

-- Bookings are placed as before; what is refused for want of the lab's days is noted, so that somebody can see what is missing.

create table refusals (
  id bigint generated always as identity primary key,
  refused_at timestamptz not null default clock_timestamp(),
  actor text not null,                                          -- users.sub
  vehicle_id integer not null references vehicles,
  test_type text not null,
  drive_type text not null,                                     -- the vehicle's then; so its weight class
  weight_class text not null,
  start_date date not null,
  days_to_complete smallint not null check (days_to_complete > 0),
  reason text not null,                                         -- see why_refused()
  conflicting boolean not null);                                -- somebody else's days were in the way
create index refusals_by_time on refusals (refused_at);

-- What kept most of the capable dynos from a window, not_capable if there is none; and whether somebody else's days kept any of
-- them. `rejected` is as place() lists it. One row.
create function why_refused(p_rejected jsonb, p_test text, p_drive text, p_weight text)
returns table (reason text, conflicting boolean) language sql stable begin atomic
  with capable as materialized (
    select r.reason, count(*) as dynos,
           array_position(array['booked', 'held', 'turnaround', 'maintenance', 'outside_availability', 'disabled'], r.reason) as rank
      from jsonb_to_recordset(p_rejected) r (dyno_id integer, reason text)
     where exists (select from capabilities c where c.dyno_id = r.dyno_id and c.test_type in (p_test, 'any')
                      and c.drive_type in (p_drive, 'any') and c.weight_class in (p_weight, 'any'))
     group by r.reason
  )
  select coalesce((select c.reason from capable c order by c.dynos desc, c.rank limit 1), 'not_capable'),
         exists (select from capable c where c.rank <= 4);
end;

alter function place rename to choose_and_book;
create function place(
  p_owner text, p_route text, p_key text, p_hash bytea, p_vehicle integer, p_vin text, p_test text, p_start date, p_days integer,
  p_max_shift integer, p_dry boolean, p_zone text, p_horizon_days integer, p_max_days integer)
returns jsonb language plpgsql security definer set search_path = public, pg_temp as $$
declare
  answer jsonb := choose_and_book(p_owner, p_route, p_key, p_hash, p_vehicle, p_vin, p_test, p_start, p_days, p_max_shift,
                                  p_dry, p_zone, p_horizon_days, p_max_days);
begin
  if not p_dry and answer ->> 'outcome' in ('vehicle_already_allocated', 'no_dyno_available') then
    insert into refusals (actor, vehicle_id, test_type, drive_type, weight_class, start_date, days_to_complete, reason, conflicting)
    select p_owner, v.id, p_test, v.drive_type, v.weight_class, p_start, p_days,
           case answer ->> 'outcome' when 'no_dyno_available' then why.reason else 'vehicle_already_allocated' end,
           why.conflicting or answer ->> 'outcome' = 'vehicle_already_allocated'
      from vehicles v
     cross join lateral why_refused(coalesce(answer -> 'rejected', '[]'), p_test, v.drive_type, v.weight_class) why
     where v.id = p_vehicle or v.vin = p_vin;
  end if;
  return answer;
end $$;
revoke execute on function place, choose_and_book, why_refused from public;
revoke execute on function choose_and_book from dyno_allocations;
grant execute on function place to dyno_allocations;
grant select on refusals to dyno_allocations;

-- A booking counts at once; cancelled within 24 hours, it never did.
create function is_kept(p_status text, p_created_at timestamptz, p_cancelled_at timestamptz) returns boolean
  language sql immutable
  return p_status in ('scheduled', 'in_progress', 'completed')
      or (p_status = 'cancelled' and p_cancelled_at - p_created_at >= interval '24 hours');

-- Whether a booking that was moved had to make way: some dyno that could run it was there on the days that were asked for, so that
-- it was somebody else's days that were in the way, and not that the lab opened later.
create function made_way(o occupancies) returns boolean language sql stable begin atomic
  select exists (
    select from vehicles v, dynos d
     cross join lateral unfit(d, o.test_type, v.drive_type, v.weight_class, o.start_date - o.shift_days, o.end_date - o.shift_days) u
     where v.id = o.vehicle_id and u.reason is null);
end;

create index bookings_by_person on occupancies (booked_by, created_at) include (status, cancelled_at) where kind = 'allocation';

-- Calls that made a booking: a dry run names none, and a replay one that was made before.
create index placements on metrics (created_at) include (duration_ms)
  where service_name = 'AllocationService' and method_name = 'auto_allocate' and outcome = 'success'
    and metadata ->> 'allocation_id' is not null and metadata ->> 'replayed' is null;

-- What each day of the lab came to. A day is closed 24 hours after its end, by the nightly run: what was booked on it can then no
-- longer be cancelled as if it had not been. It is never counted again, so it outlives the calls and costs a report next to nothing.
-- Another time zone has other days.
create table allocation_days (
  time_zone text not null,
  day date not null,
  kept integer not null,
  cancelled_early integer not null,
  replaced integer not null,                                    -- moved to a later day, because the one asked for was taken
  refused integer not null,
  refused_conflicts integer not null,
  placed_calls integer not null,
  placed_ms double precision not null,
  closed_at timestamptz not null default clock_timestamp(),
  primary key (time_zone, day));

-- The days that are not closed, counted from what happened. Only those with anything.
create function open_days(p_zone text, p_from date, p_to date)
returns table (day date, kept bigint, cancelled_early bigint, replaced bigint, refused bigint, refused_conflicts bigint,
               placed_calls bigint, placed_ms double precision)
language sql stable set search_path = pg_catalog, public, pg_temp as $$
  with open as materialized (
    select greatest(coalesce((select max(c.day) + 1 from allocation_days c where c.time_zone = p_zone), '-infinity'),
                    coalesce(p_from, '-infinity')) as first_day,
           coalesce(p_to, 'infinity') as last_day
  ), bounds as materialized (
    -- For the indexes, a day more at both ends: where clocks go back over it, midnight comes twice, and only the day tells which.
    select first_day, last_day, first_day::timestamp at time zone p_zone - interval '1 day' as since,
           last_day::timestamp at time zone p_zone + interval '2 days' as until
      from open
  )
  select day, sum(kept)::bigint, sum(cancelled_early)::bigint, sum(replaced)::bigint, sum(refused)::bigint,
         sum(refused_conflicts)::bigint, sum(placed_calls)::bigint, coalesce(sum(placed_ms), 0)
    from (
      select (o.created_at at time zone p_zone)::date as day,
             count(*) filter (where is_kept(o.status, o.created_at, o.cancelled_at)) as kept,
             count(*) filter (where o.status = 'cancelled' and not is_kept(o.status, o.created_at, o.cancelled_at)) as cancelled_early,
             count(*) filter (where o.shift_days > 0 and made_way(o)) as replaced,
             0 as refused, 0 as refused_conflicts, 0 as placed_calls, null::double precision as placed_ms
        from bounds b, occupancies o
       where o.kind = 'allocation' and o.created_at >= b.since and o.created_at < b.until
         and (o.created_at at time zone p_zone)::date between b.first_day and b.last_day
       group by 1
      union all
      select (r.refused_at at time zone p_zone)::date, 0, 0, 0, count(*), count(*) filter (where r.conflicting), 0, null
        from bounds b, refusals r
       where r.refused_at >= b.since and r.refused_at < b.until
         and (r.refused_at at time zone p_zone)::date between b.first_day and b.last_day
       group by 1
      union all
      select (m.created_at at time zone p_zone)::date, 0, 0, 0, 0, 0, count(*), sum(m.duration_ms)
        from bounds b, metrics m
       where m.service_name = 'AllocationService' and m.method_name = 'auto_allocate' and m.outcome = 'success'
         and m.metadata ->> 'allocation_id' is not null and m.metadata ->> 'replayed' is null
         and m.created_at >= b.since and m.created_at < b.until
         and (m.created_at at time zone p_zone)::date between b.first_day and b.last_day
       group by 1) counted
   group by day
$$;

create function lab_days(p_zone text, p_from date, p_to date)
returns table (day date, kept bigint, cancelled_early bigint, replaced bigint, refused bigint, refused_conflicts bigint,
               placed_calls bigint, placed_ms double precision)
language sql stable set search_path = pg_catalog, public, pg_temp as $$
  select day, kept, cancelled_early, replaced, refused, refused_conflicts, placed_calls, placed_ms
    from allocation_days
   where time_zone = p_zone and day >= coalesce(p_from, '-infinity') and day <= coalesce(p_to, 'infinity')
  union all
  select * from open_days(p_zone, p_from, p_to)
$$;

-- Close the days that ended more than 24 hours before a moment, which is now at the latest; how many that were. A second time
-- changes nothing.
create function close_days(p_zone text, p_now timestamptz) returns bigint
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
  with closed as (
    insert into allocation_days (time_zone, day, kept, cancelled_early, replaced, refused, refused_conflicts, placed_calls, placed_ms)
    select p_zone, d.*
      from open_days(p_zone, null,
                     ((least(p_now, clock_timestamp()) - interval '24 hours') at time zone p_zone)::date - 1) d
     order by d.day
        on conflict (time_zone, day) do nothing
    returning 1)
  select count(*) from closed
$$;

-- Who uses the service: people enrolled at a moment, those of them with a kept booking since another, and anybody with one.
create function people(p_since timestamptz, p_until timestamptz)
returns table (enrolled bigint, active_enrolled bigint, active bigint)
language sql stable set search_path = pg_catalog, public, pg_temp as $$
  -- One step per person down the index, not one per booking.
  with recursive person as (
    (select o.booked_by as sub from occupancies o where o.kind = 'allocation' order by o.booked_by limit 1)
    union all
    select (select o.booked_by from occupancies o where o.kind = 'allocation' and o.booked_by > p.sub order by o.booked_by limit 1)
      from person p where p.sub is not null
  ), active as materialized (
    select sub from person p
     where exists (select from occupancies o
                    where o.kind = 'allocation' and o.booked_by = p.sub and o.created_at >= p_since and o.created_at < p_until
                      and is_kept(o.status, o.created_at, o.cancelled_at))
  ), enrolled as materialized (
    select sub from users where enrolled_at < p_until and (left_at is null or left_at >= p_until)
  )
  select (select count(*) from enrolled), (select count(*) from enrolled join active using (sub)), (select count(*) from active)
$$;

-- How many pairs of live occupancies overlap, as GET /allocations/conflicts lists them: on a dyno, its turnaround included, or of a
-- vehicle. It trusts neither the constraints nor what is derived for booking. One pass in order of time finds those that began too
-- soon, and pairs are looked for only of these: to compare each with each would take a lab with one conflict for ever.
create function conflicts() returns bigint
language plpgsql stable set search_path = pg_catalog, public, pg_temp as $$
declare
  at timestamptz := clock_timestamp();
  too_soon bigint[];
  found bigint;
begin
  select array_agg(id) into too_soon from (
    select o.id,
           o.start_date <= max(o.end_date + o.turnaround_days) over (partition by o.dyno_id order by o.start_date, o.id
                                                                    rows between unbounded preceding and 1 preceding)
           or (o.vehicle_id is not null
               and o.start_date <= max(o.end_date) over (partition by o.vehicle_id order by o.start_date, o.id
                                                         rows between unbounded preceding and 1 preceding)) as is_overlap
      from occupancies o where is_live(o.status, o.expires_at, at)) each
   where is_overlap;
  if too_soon is null then
    return 0;
  end if;
  select count(*) into found from (
    select from occupancies b join occupancies a on a.dyno_id = b.dyno_id and (a.start_date, a.id) < (b.start_date, b.id)
     where b.id = any (too_soon) and b.start_date <= a.end_date + a.turnaround_days and is_live(a.status, a.expires_at, at)
    union all
    select from occupancies b join occupancies a on a.vehicle_id = b.vehicle_id and (a.start_date, a.id) < (b.start_date, b.id)
     where b.id = any (too_soon) and b.start_date <= a.end_date and is_live(a.status, a.expires_at, at)) pair;
  return found;
end $$;

-- Each night the whole past is looked at. Until the next one, only what was written since can have brought in a conflict: what has
-- a higher id, and what was changed, which leaves a higher id in the history.
create table conflict_checks (
  checked_at timestamptz primary key,
  conflicts bigint not null,
  occupancy_id bigint not null,                                 -- the last there was; so is the next
  history_id bigint not null);

create function check_conflicts() returns bigint
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
  insert into conflict_checks
  select clock_timestamp(), conflicts(), (select coalesce(max(id), 0) from occupancies), (select coalesce(max(id), 0) from history)
  returning conflicts
$$;

-- The same as conflicts(), as quickly as little was written since the last check. Where nothing overlapped, something does now only
-- if a new window overlaps the one before it or behind it on its dyno or of its vehicle; then, all are counted.
create function conflicts_now() returns bigint
language plpgsql stable set search_path = pg_catalog, public, pg_temp as $$
declare
  at timestamptz := clock_timestamp();
  checked conflict_checks;
begin
  select * into checked from conflict_checks order by checked_at desc limit 1;
  if found and checked.conflicts = 0 and not exists (
    select from occupancies n
     where n.id in (select x.id from occupancies x where x.id > checked.occupancy_id
                    union select h.occupancy_id from history h where h.id > checked.history_id)
       and is_live(n.status, n.expires_at, at)
       and (exists (
              select from (select * from occupancies x where x.dyno_id = n.dyno_id and x.occupies and is_live(x.status, x.expires_at, at)
                              and (x.start_date, x.id) < (n.start_date, n.id) order by x.start_date desc, x.id desc limit 1) x
               where n.start_date <= x.end_date + x.turnaround_days)
         or exists (
              select from (select * from occupancies x where x.dyno_id = n.dyno_id and x.occupies and is_live(x.status, x.expires_at, at)
                              and (x.start_date, x.id) > (n.start_date, n.id) order by x.start_date, x.id limit 1) x
               where x.start_date <= n.end_date + n.turnaround_days)
         or exists (
              select from (select * from occupancies x where x.vehicle_id = n.vehicle_id and x.occupies and is_live(x.status, x.expires_at, at)
                              and (x.start_date, x.id) < (n.start_date, n.id) order by x.start_date desc, x.id desc limit 1) x
               where n.start_date <= x.end_date)
         or exists (
              select from (select * from occupancies x where x.vehicle_id = n.vehicle_id and x.occupies and is_live(x.status, x.expires_at, at)
                              and (x.start_date, x.id) > (n.start_date, n.id) order by x.start_date, x.id limit 1) x
               where x.start_date <= n.end_date)))
  then
    return 0;
  end if;
  return conflicts();
end $$;

-- What is assumed. Rows are added, never changed: of those for the same day on, the last one counts.
create table roi_assumptions (
  id integer generated always as identity primary key,
  valid_from date not null,
  recorded_at timestamptz not null default clock_timestamp(),
  recorded_by text not null,                                    -- users.sub, or 'system'
  reason text not null,
  assumptions jsonb not null);                                  -- dyno.roi.assumed.Assumptions
create index assumptions_by_day on roi_assumptions (valid_from, id);

create view assumptions_in_force as
select id, valid_from, lead(valid_from, 1, 'infinity') over (order by valid_from) as valid_until, recorded_at, recorded_by, reason,
       assumptions
  from (select distinct on (valid_from) * from roi_assumptions order by valid_from, id desc) latest;

-- What the API says of a row.
create function assumptions_json(a roi_assumptions) returns jsonb language sql stable
  return to_jsonb(a) - 'id' || jsonb_build_object('assumptions_id', a.id,
    'superseded', not exists (select from assumptions_in_force f where f.id = a.id));

insert into roi_assumptions (id, valid_from, recorded_by, reason, assumptions) overriding system value values (0, '0001-01-01', 'system',
  'Came with the service: middle values of the time study; low and high are guesses until the lab has measured its own spread.', '{
    "minutes_saved_per_allocation": {"low": 3, "mid": 4, "high": 5}, "hourly_rate_usd": {"low": 40, "mid": 50, "high": 60},
    "attribution_ratio": 1, "other_savings_usd_per_month": 0, "development_cost_usd": 50000, "running_cost_usd_per_month": 0,
    "engineers": 25, "hours_per_engineer_week": 4, "weeks_per_year": 52, "adoption_ratio": 1}');

-- Add a row, unless it would say again what is in force from that day on for the same reason; its id, and whether it is new.
create function assume(p_actor text, p_valid_from date, p_reason text, p_assumptions jsonb)
returns table (assumptions_id integer, is_new boolean)
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('dyno roi assumptions', 0));
  select a.id, false into assumptions_id, is_new from roi_assumptions a
   where a.valid_from = p_valid_from and a.reason = p_reason and a.assumptions = p_assumptions
     and a.id = (select max(x.id) from roi_assumptions x where x.valid_from = p_valid_from);
  if not found then
    insert into roi_assumptions (valid_from, recorded_by, reason, assumptions) values (p_valid_from, p_actor, p_reason, p_assumptions)
      returning id, true into assumptions_id, is_new;
  end if;
  return next;
end $$;

-- Reports as they were, for good.
create table roi_reports (
  kind text not null check (kind in ('day', 'month')),
  start_date date not null,
  model text not null,
  revision integer not null check (revision > 0),
  computed_at timestamptz not null,
  digest text not null,                                         -- of what it says, but for when
  report jsonb not null,
  primary key (kind, start_date, model, revision));

-- Store a report as the next revision, unless the newest one says the same or is newer than it; the newest revision either way.
create function keep_report(p_kind text, p_start date, p_model text, p_computed_at timestamptz, p_digest text, p_report jsonb)
returns table (kept_revision integer, is_new boolean)
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  newest roi_reports;
begin
  perform pg_advisory_xact_lock(hashtextextended('dyno roi report ' || p_kind || p_start || p_model, 0));
  select * into newest from roi_reports r where r.kind = p_kind and r.start_date = p_start and r.model = p_model
   order by r.revision desc limit 1;
  kept_revision := coalesce(newest.revision, 0);
  is_new := newest.digest is distinct from p_digest and coalesce(newest.computed_at <= p_computed_at, true);
  if is_new then
    kept_revision := kept_revision + 1;
    insert into roi_reports values (p_kind, p_start, p_model, kept_revision, p_computed_at, p_digest, p_report);
  end if;
  return next;
end $$;

-- How the lab is doing, for the exposition: who made a kept booking in the last 30 days, and what its month has saved so far, by the
-- middle of what is assumed; as roi-model/1 reckons it, a cent's rounding for each row of assumptions.
create function lab_month(p_zone text, p_now timestamptz)
returns table (active_users bigint, kept_allocations bigint, hours_saved numeric, cost_savings_usd numeric)
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
  with saved as (
    select a.id, sum(d.kept) as kept,
           sum(d.kept) * (a.assumptions #>> '{minutes_saved_per_allocation,mid}')::numeric
             * (a.assumptions ->> 'attribution_ratio')::numeric as minutes,
           (a.assumptions #>> '{hourly_rate_usd,mid}')::numeric as hourly_rate_usd
      from lab_days(p_zone, date_trunc('month', p_now at time zone p_zone)::date, (p_now at time zone p_zone)::date) d
      join assumptions_in_force a on d.day >= a.valid_from and d.day < a.valid_until
     group by a.id, a.assumptions
  )
  select (select active from people(p_now - interval '30 days', p_now)), coalesce(sum(kept), 0)::bigint,
         coalesce(sum(minutes), 0) / 60, coalesce(sum(round(minutes * hourly_rate_usd / 60, 2)), 0)
    from saved
$$;

-- The stored reports of a period, in order.
create function roi_revisions(p_kind text, p_start date, p_model text) returns jsonb
language sql stable set search_path = pg_catalog, public, pg_temp as $$
  select coalesce(jsonb_agg(jsonb_build_object(
           'revision', r.revision, 'computed_at', r.computed_at,
           'total_successful_allocations', r.report #> '{business,total_successful_allocations}',
           'cost_savings_usd', r.report #> '{business,cost_savings_usd}') order by r.revision), '[]')
    from roi_reports r where r.kind = p_kind and r.start_date = p_start and r.model = p_model
$$;

-- All that the reports of a period are made of, as of one moment; see dyno.roi.facts.Facts. The month is that of monthly figures.
-- Conflicts are counted unless they just were.
create function roi_facts(p_zone text, p_model text, p_kind text, p_from date, p_to date, p_month_from date, p_month_to date,
                          p_active_since timestamptz, p_active_until timestamptz, p_now timestamptz, p_conflicts bigint)
returns jsonb language sql stable set search_path = pg_catalog, public, pg_temp as $$
  with days as materialized (
    select 'months' as part, d.* from lab_days(p_zone, p_from, p_to) d
    union all
    select 'month', d.* from lab_days(p_zone, p_month_from, p_month_to) d
  ), months as (
    select d.part, date_trunc('month', d.day)::date as month, a.id as assumptions_id, sum(d.kept) as kept,
           sum(d.cancelled_early) as cancelled_early, sum(d.replaced) as replaced, sum(d.refused) as refused,
           sum(d.refused_conflicts) as refused_conflicts, sum(d.placed_calls) as placed_calls, sum(d.placed_ms) as placed_ms
      from days d join assumptions_in_force a on d.day >= a.valid_from and d.day < a.valid_until
     group by 1, 2, 3
  ), stored as materialized (
    select * from roi_reports r where r.kind = p_kind and r.start_date = p_from and r.model = p_model
  )
  select jsonb_build_object(
    'months', (select coalesce(jsonb_agg(to_jsonb(m) - 'part' order by m.month, m.assumptions_id), '[]') from months m
                where m.part = 'months'),
    'month', (select coalesce(jsonb_agg(to_jsonb(m) - 'part' order by m.assumptions_id), '[]') from months m where m.part = 'month'),
    'first_day', (select min(d.day) from days d where d.part = 'months'),
    'provisional', (select count(*) from occupancies o
                     where o.kind = 'allocation' and o.created_at > p_now - interval '24 hours'
                       and is_kept(o.status, o.created_at, o.cancelled_at)
                       and (o.created_at at time zone p_zone)::date
                           between coalesce(p_from, '-infinity') and coalesce(p_to, 'infinity')),
    'conflicts', coalesce(p_conflicts, conflicts_now()),
    'people', (select to_jsonb(p) from people(p_active_since, p_active_until) p),
    'assumptions', (select jsonb_agg(assumptions_json(a) order by a.valid_from) from roi_assumptions a
                     where a.id in (select f.id from assumptions_in_force f)),
    'revisions', roi_revisions(p_kind, p_from, p_model),
    'digest', (select s.digest from stored s order by s.revision desc limit 1))
$$;

-- What was refused in a period: attempts by group, bin and reason; requests by group and bin; the dynos of each group. A request is a
-- vehicle, a test and a first day, however often it is tried; it belongs to the bin of its first attempt.
create function roi_demand(p_zone text, p_by text, p_from date, p_to date)
returns jsonb language sql stable set search_path = pg_catalog, public, pg_temp as $$
  with attempts as materialized (
    select r.*, date_trunc(p_by, r.refused_at at time zone p_zone)::date as bin
      from refusals r
     where r.refused_at >= coalesce(p_from::timestamp at time zone p_zone - interval '1 day', '-infinity')  -- as in open_days()
       and r.refused_at < coalesce(p_to::timestamp at time zone p_zone + interval '2 days', 'infinity')
       and (r.refused_at at time zone p_zone)::date between coalesce(p_from, '-infinity') and coalesce(p_to, 'infinity')
  ), requests as materialized (
    select test_type, drive_type, weight_class, start_date, min(bin) as bin,
           -- A vehicle that was itself booked would have stayed so however many dynos there were.
           coalesce(max(days_to_complete) filter (where reason <> 'vehicle_already_allocated'), 0) as days,
           exists (select from occupancies o
                    where o.kind = 'allocation' and o.vehicle_id = a.vehicle_id and o.test_type = a.test_type and o.occupies
                      and o.created_at > min(a.refused_at)) as booked_later
      from attempts a
     group by vehicle_id, test_type, start_date, drive_type, weight_class
  )
  select jsonb_build_object(
    'first_day', (select min(refused_at at time zone p_zone)::date from attempts),
    'attempts', (select coalesce(jsonb_agg(to_jsonb(x)), '[]') from (
       select test_type, drive_type, weight_class, bin, reason, count(*) as attempts from attempts group by 1, 2, 3, 4, 5) x),
    'requests', (select coalesce(jsonb_agg(to_jsonb(x)), '[]') from (
       select test_type, drive_type, weight_class, bin, count(*) as requests, count(*) filter (where booked_later) as booked_later,
              coalesce(sum(days) filter (where not booked_later), 0) as unmet_days,
              min(start_date) filter (where not booked_later and days > 0) as first_unmet,
              max(start_date + days - 1) filter (where not booked_later and days > 0) as last_unmet
         from requests group by 1, 2, 3, 4) x),
    'dynos', (select coalesce(jsonb_agg(to_jsonb(x)), '[]') from (
       select g.test_type, g.drive_type, g.weight_class, array_agg(d.name order by d.name) as names
         from (select distinct test_type, drive_type, weight_class from attempts) g
         join dynos d on exists (
           select from capabilities c where c.dyno_id = d.id and c.test_type in (g.test_type, 'any')
              and c.drive_type in (g.drive_type, 'any') and c.weight_class in (g.weight_class, 'any'))
        group by 1, 2, 3) x))
$$;

-- Nightly: refusals that are older than their retention go; what their days came to is counted.
create function age_refusals(p_before timestamptz) returns bigint
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
  with gone as (delete from refusals where refused_at < p_before returning 1) select count(*) from gone
$$;

revoke execute on function open_days, lab_days, close_days, people, conflicts, check_conflicts, conflicts_now, assume, keep_report,
  lab_month, roi_revisions, roi_facts, roi_demand, age_refusals, made_way from public;
grant execute on function lab_month to dyno_ingest;
grant execute on function age_refusals to dyno_lifecycle;
grant execute on function open_days, lab_days, people, conflicts, check_conflicts, conflicts_now, close_days, assume, keep_report,
  roi_revisions, roi_facts, roi_demand, made_way to dyno_roi;
grant select on history, conflict_checks, occupancies, vehicles, dynos, capabilities, refusals, metrics, users, allocation_days, roi_assumptions,
  assumptions_in_force, roi_reports to dyno_roi;
