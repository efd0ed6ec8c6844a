-- PostgreSQL 16+. The lab, its bookings, and the one call that makes them.

create table users (
  id integer generated always as identity primary key,
  sub text not null unique,                                     -- the user pool's id of a person; nothing else about them is kept
  role text check (role in ('user', 'power_user', 'admin')),
  enrolled_at timestamptz);

create table dynos (
  id integer generated always as identity primary key,
  name text not null collate "C" unique,
  facility text,
  enabled boolean not null default true,
  available_from date,
  available_to date,
  turnaround_days smallint not null default 0 check (turnaround_days between 0 and 30),
  breadth integer not null default 0,                           -- kept by refresh_breadth()
  version integer not null default 1,                           -- every change of the dyno or of its capabilities raises it, under FOR UPDATE
  constraint available_in_order check (available_from <= available_to));
create index dyno_order on dynos (breadth, name);

create table capabilities (
  dyno_id integer not null references dynos on delete cascade,
  test_type text not null check (test_type <> ''),
  drive_type text not null check (drive_type in ('2WD', 'AWD', 'any')),
  weight_class text not null check (weight_class in ('<10K', '>10K', 'any')),
  primary key (dyno_id, test_type, drive_type, weight_class));

create table vehicles (
  id integer generated always as identity primary key,
  vin text not null unique,
  weight_lbs integer not null check (weight_lbs > 0),
  drive_type text not null check (drive_type in ('2WD', 'AWD')),
  weight_class text generated always as (case when weight_lbs <= 10000 then '<10K' else '>10K' end) stored,
  program text, build_id text, cert_team text, engine text, build_type text,
  version integer not null default 1);

-- Whatever takes a dyno for some days. One sequence of ids: an allocation_id and a window_id never mean two things.
create table occupancies (
  id bigint generated always as identity primary key,
  kind text not null check (kind in ('allocation', 'maintenance')),
  dyno_id integer not null references dynos,
  vehicle_id integer references vehicles,
  test_type text,
  reason text,                                                  -- of a maintenance window
  start_date date not null,
  end_date date not null,                                       -- both ends in
  turnaround_days smallint not null default 0 check (turnaround_days between 0 and 30),  -- the dyno's when this was placed
  shift_days smallint not null default 0 check (shift_days between 0 and 90),
  status text not null default 'scheduled'
    check (status in ('held', 'scheduled', 'in_progress', 'completed', 'cancelled', 'lapsed')),
  expires_at timestamptz,
  booked_by text,                                               -- users.sub
  created_at timestamptz not null default clock_timestamp(),
  cancelled_at timestamptz,
  version integer not null default 1,                           -- the ETag
  occupies boolean generated always as (status in ('held', 'scheduled', 'in_progress', 'completed')) stored,
  free_from date generated always as (end_date + 1 + turnaround_days) stored,  -- first day somebody else may start
  constraint whole_days check (end_date >= start_date and end_date - start_date < 1825),
  constraint allocation_is_complete check (
    (kind = 'allocation') = (vehicle_id is not null and test_type is not null and booked_by is not null)),
  constraint window_is_scheduled check (kind = 'allocation' or status in ('scheduled', 'cancelled')),
  constraint hold_expires check ((status = 'held') = (expires_at is not null)),
  constraint cancelled_at_a_time check ((status = 'cancelled') = (cancelled_at is not null)),
  constraint dyno_once exclude using gist (dyno_id with =, daterange(start_date, end_date + 1 + turnaround_days) with &&)
    where (status in ('held', 'scheduled', 'in_progress', 'completed')),
  constraint vehicle_once exclude using gist (vehicle_id with =, daterange(start_date, end_date + 1) with &&)
    where (vehicle_id is not null and status in ('held', 'scheduled', 'in_progress', 'completed')));

-- Occupancies of one dyno never overlap, so the last one that starts before a window ends is the only one that can be in its way:
-- one step down a btree instead of a range search.
create index dyno_days on occupancies (dyno_id, start_date) include (free_from, status, expires_at) where occupies;
create index vehicle_days on occupancies (vehicle_id, start_date) include (end_date, status, expires_at)
  where occupies and vehicle_id is not null;
create index holds on occupancies (expires_at) where status = 'held';

create table history (
  id bigint generated always as identity primary key,
  occupancy_id bigint not null references occupancies,
  action text not null check (action in ('book', 'cancel', 'lapse')),
  actor text not null,                                          -- users.sub, or 'system'
  at timestamptz not null default clock_timestamp(),
  before jsonb,
  after jsonb);
create index history_of on history (occupancy_id, id);

create table idempotency_keys (
  owner text not null,
  route text not null,
  key text not null,
  body_hash bytea not null,
  answer jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (owner, route, key));

-- The rule. Booking, refusal and every report of what is free read these four functions; PostgreSQL inlines them.

create function is_live(status text, expires_at timestamptz, at timestamptz) returns boolean language sql immutable
  return status in ('scheduled', 'in_progress', 'completed') or (status = 'held' and expires_at > at);

-- Why a dyno cannot run a test at all on some days, whoever else is there. One row; null: it can.
create function unfit(d dynos, p_test text, p_drive text, p_weight text, p_start date, p_end date)
returns table (reason text) language sql stable begin atomic
  select case
    when not d.enabled then 'disabled'
    when not exists (select from capabilities c where c.dyno_id = d.id and c.test_type in (p_test, 'any')
                        and c.drive_type in (p_drive, 'any') and c.weight_class in (p_weight, 'any')) then 'not_capable'
    when p_start < d.available_from or p_end > d.available_to then 'outside_availability'
  end
  offset 0;                                                     -- looked up once, not wherever the reason is spoken of
end;

-- The occupancy that keeps a window off a dyno, the dyno's own turnaround behind the window included. At most one row.
create function in_the_way(p_dyno integer, p_start date, p_end date, p_turnaround smallint, p_at timestamptz)
returns setof occupancies language sql stable begin atomic
  select o.* from (
    select * from occupancies x
     where x.dyno_id = p_dyno and x.occupies and is_live(x.status, x.expires_at, p_at) and x.start_date < p_end + 1 + p_turnaround
     order by x.start_date desc limit 1) o
   where o.free_from > p_start;
end;

-- Why a dyno cannot take a window, all told. One row; free: it can. The planner takes half of all dynos to be free and so
-- walks them in order of choice until one is; of "reason is null" it would expect one in two hundred, and look at all of them.
create function why_not(d dynos, p_test text, p_drive text, p_weight text, p_start date, p_end date, p_at timestamptz)
returns table (free boolean, reason text, kind text, occupancy_id bigint, free_from date) language sql stable begin atomic
  select u.reason is null and o.id is null,
         coalesce(u.reason, case
           when o.id is null then null
           when o.end_date < p_start or o.start_date > p_end then 'turnaround'
           when o.kind = 'maintenance' then 'maintenance'
           when o.status = 'held' then 'held'
           else 'booked' end),
         case when u.reason is null then o.kind end,
         case when u.reason is null then o.id end,
         case when u.reason is null then o.free_from end
    from unfit(d, p_test, p_drive, p_weight, p_start, p_end) u
    left join lateral in_the_way(d.id, p_start, p_end, d.turnaround_days, p_at) o on true
  offset 0;
end;

-- The booking that keeps a vehicle off a window. At most one row.
create function vehicle_in_the_way(p_vehicle integer, p_start date, p_end date, p_at timestamptz)
returns setof occupancies language sql stable begin atomic
  select o.* from (
    select * from occupancies x
     where x.vehicle_id = p_vehicle and x.occupies and is_live(x.status, x.expires_at, p_at) and x.start_date <= p_end
     order by x.start_date desc limit 1) o
   where o.end_date >= p_start;
end;

-- Searching: each step jumps behind whatever is in the way, so the cost is in bookings passed, not in days.

create function vehicle_free_from(p_vehicle integer, p_start date, p_days integer, p_until date, p_at timestamptz)
returns date language plpgsql stable as $$
declare day date := p_start; busy_until date;
begin
  while day <= p_until loop
    select o.end_date into busy_until from vehicle_in_the_way(p_vehicle, day, day + p_days - 1, p_at) o;
    if not found then return day; end if;
    day := busy_until + 1;
  end loop;
  return null;
end $$;

create function dyno_free_from(p_dyno dynos, p_start date, p_days integer, p_until date, p_at timestamptz)
returns date language plpgsql stable as $$
declare day date := greatest(p_start, p_dyno.available_from); next_day date;
        last date := least(p_until, p_dyno.available_to - p_days + 1);
begin
  while day <= last loop
    select o.free_from into next_day from in_the_way(p_dyno.id, day, day + p_days - 1, p_dyno.turnaround_days, p_at) o;
    if not found then return day; end if;
    day := next_day;
  end loop;
  return null;
end $$;

-- What the API says of an allocation.
create function allocation_json(o occupancies, p_dyno_name text, p_vin text) returns jsonb language sql stable
  return jsonb_build_object(
    'allocation_id', o.id, 'dyno_id', o.dyno_id, 'dyno_name', p_dyno_name, 'vehicle_id', o.vehicle_id, 'vin', p_vin,
    'test_type', o.test_type, 'start_date', o.start_date, 'end_date', o.end_date, 'status', o.status,
    'shift_days', o.shift_days, 'booked_by', o.booked_by, 'created_at', o.created_at, 'cancelled_at', o.cancelled_at,
    'version', o.version);

-- Holds that ran out and lie where somebody wants to go.
create function lapse_holds(p_dyno integer, p_vehicle integer, p_start date, p_until date, p_at timestamptz) returns void
language plpgsql as $$
begin
  with lapsed as (
    update occupancies o set status = 'lapsed', expires_at = null, version = version + 1
     where o.status = 'held' and o.expires_at <= p_at and (o.dyno_id = p_dyno or o.vehicle_id = p_vehicle)
       and o.start_date < p_until and o.free_from > p_start
    returning o.id)
  insert into history (occupancy_id, action, actor) select id, 'lapse', 'system' from lapsed order by id;
end $$;

-- Choose a dyno and book it: one call, one transaction, at most one booking.
--
-- Gives {"outcome": …}: booked and would_book with the allocation (replayed: true if the key had done it before), or
-- vehicle_not_found, key_reused, bad_window, vehicle_already_allocated, no_dyno_available, contended.
-- Every attempt takes a fresh snapshot; the exclusion constraints have the last word. An attempt that was outrun, or that saw
-- two things that do not go together, begins again from the day that was asked for.
create function place(
  p_owner text, p_route text, p_key text, p_hash bytea, p_vehicle integer, p_vin text, p_test text, p_start date, p_days integer,
  p_max_shift integer, p_dry boolean, p_zone text, p_horizon_days integer, p_max_days integer)
returns jsonb language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v vehicles; d dynos; o occupancies; done idempotency_keys;
  at timestamptz := clock_timestamp();
  today date := (at at time zone p_zone)::date;
  until date := least(p_start + p_max_shift, today + p_horizon_days - p_days + 1);   -- the last day worth trying
  day date; first_day date; next_day date; rejected jsonb; result jsonb;
begin
  if p_key is not null then
    -- A twin in flight holds this lock until its booking is committed; then its answer is here to be read.
    perform pg_advisory_xact_lock(hashtextextended(p_owner || chr(31) || p_route || chr(31) || p_key, 0));
    select * into done from idempotency_keys i
     where i.owner = p_owner and i.route = p_route and i.key = p_key and i.created_at > at - interval '24 hours';
    if found then
      if done.body_hash <> p_hash then return jsonb_build_object('outcome', 'key_reused'); end if;
      return done.answer || '{"replayed": true}';
    end if;
  end if;

  if p_days not between 1 and p_max_days or p_start < today or p_start > until then
    return jsonb_build_object('outcome', 'bad_window', 'today', today);
  end if;
  select * into v from vehicles x where x.id = p_vehicle or x.vin = p_vin;
  if not found then return jsonb_build_object('outcome', 'vehicle_not_found'); end if;

  <<attempt>> for attempts in 1 .. 64 loop
    day := p_start; first_day := null; rejected := null;
    loop
      at := clock_timestamp();
      day := vehicle_free_from(v.id, day, p_days, until, at);
      exit when day is null;
      first_day := coalesce(first_day, day);

      -- A dyno somebody is booking this instant is passed over: a crowd spreads out instead of queueing.
      select x.* into d from dynos x cross join lateral why_not(x, p_test, v.drive_type, v.weight_class, day, day + p_days - 1, at) w
       where w.free order by x.breadth, x.name limit 1 for no key update of x skip locked;
      if not found then
        select min(case when w.free then day
                        when w.reason not in ('disabled', 'not_capable') and coalesce(w.free_from, day) <= until
                        then dyno_free_from(x, coalesce(w.free_from, day), p_days, until, at) end),
               jsonb_agg(jsonb_strip_nulls(jsonb_build_object('dyno_id', x.id, 'dyno_name', x.name, 'reason', w.reason,
                  'allocation_id', case when w.kind = 'allocation' then w.occupancy_id end,
                  'window_id', case when w.kind = 'maintenance' then w.occupancy_id end,
                  'free_from', w.free_from)) order by x.name)
          into next_day, result
          from dynos x cross join lateral why_not(x, p_test, v.drive_type, v.weight_class, day, day + p_days - 1, at) w;
        if day = first_day and next_day is distinct from day then rejected := result; end if;
        exit when next_day is null;
        if next_day > day then day := next_day; continue; end if;
        -- Free, but somebody holds its row. No lock here: waiting for a second dyno while holding a first would deadlock.
        select x.* into d from dynos x cross join lateral why_not(x, p_test, v.drive_type, v.weight_class, day, day + p_days - 1, at) w
         where w.free order by x.breadth, x.name limit 1;
        continue attempt when not found;
      end if;

      if p_dry then
        o := jsonb_populate_record(null::occupancies, jsonb_build_object('dyno_id', d.id, 'vehicle_id', v.id, 'test_type', p_test,
          'start_date', day, 'end_date', day + p_days - 1, 'status', 'scheduled', 'shift_days', day - p_start, 'booked_by', p_owner));
        return jsonb_build_object('outcome', 'would_book', 'allocation', allocation_json(o, d.name, v.vin));
      end if;

      perform lapse_holds(d.id, v.id, day, day + p_days + d.turnaround_days, at);
      insert into occupancies (kind, dyno_id, vehicle_id, test_type, start_date, end_date, turnaround_days, shift_days, booked_by)
        values ('allocation', d.id, v.id, p_test, day, day + p_days - 1, d.turnaround_days, day - p_start, p_owner)
        on conflict do nothing returning * into o;
      continue attempt when not found;                            -- somebody was faster
      -- The insert's foreign key now keeps the dyno as it is; if it changed since it was chosen, it is not booked by its old rules.
      perform from dynos x cross join lateral unfit(x, p_test, v.drive_type, v.weight_class, day, day + p_days - 1) u
        where x.id = d.id and x.turnaround_days = d.turnaround_days and u.reason is null;
      if not found then
        delete from occupancies x where x.id = o.id;
        continue attempt;
      end if;

      result := jsonb_build_object('outcome', 'booked', 'allocation', allocation_json(o, d.name, v.vin));
      insert into history (occupancy_id, action, actor, after) values (o.id, 'book', p_owner, result -> 'allocation');
      if p_key is not null then
        insert into idempotency_keys as i (owner, route, key, body_hash, answer) values (p_owner, p_route, p_key, p_hash, result)
          on conflict (owner, route, key) do update
          set body_hash = excluded.body_hash, answer = excluded.answer, created_at = excluded.created_at;
      end if;
      return result;
    end loop;

    if first_day is null then
      select jsonb_agg(jsonb_build_object('allocation_id', x.id, 'dyno_id', x.dyno_id, 'start_date', x.start_date,
               'end_date', x.end_date, 'status', x.status) order by x.start_date)
        into rejected from occupancies x
       where x.vehicle_id = v.id and x.occupies and is_live(x.status, x.expires_at, at)
         and x.start_date < until + p_days and x.end_date >= p_start;
      continue attempt when rejected is null;                     -- cancelled since
      return jsonb_build_object('outcome', 'vehicle_already_allocated', 'in_the_way', rejected, 'vin', v.vin);
    end if;
    return jsonb_build_object('outcome', 'no_dyno_available', 'rejected', coalesce(rejected, '[]'),
      'start_date', first_day, 'end_date', first_day + p_days - 1, 'vin', v.vin);
  end loop;
  return jsonb_build_object('outcome', 'contended');
end $$;

-- Cancel an allocation, keeping its row; its own (booked by p_actor) or, with p_any, anybody's. A second time changes nothing.
create function cancel(p_id bigint, p_actor text, p_any boolean) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare o occupancies; dyno_name text; the_vin text; was jsonb;
begin
  select * into o from occupancies x where x.id = p_id and x.kind = 'allocation' for no key update;
  if not found then return jsonb_build_object('outcome', 'not_found'); end if;
  if not p_any and o.booked_by <> p_actor then return jsonb_build_object('outcome', 'not_yours'); end if;
  if o.status in ('in_progress', 'completed', 'lapsed') then return jsonb_build_object('outcome', 'closed', 'status', o.status); end if;
  select name into dyno_name from dynos where id = o.dyno_id;
  select vin into the_vin from vehicles where id = o.vehicle_id;
  if o.status in ('held', 'scheduled') then
    was := allocation_json(o, dyno_name, the_vin);
    update occupancies x set status = 'cancelled', expires_at = null, cancelled_at = clock_timestamp(), version = x.version + 1
     where x.id = p_id returning * into o;
    insert into history (occupancy_id, action, actor, before, after)
      values (p_id, 'cancel', p_actor, was, allocation_json(o, dyno_name, the_vin));
  end if;
  return jsonb_build_object('outcome', 'cancelled', 'allocation', allocation_json(o, dyno_name, the_vin));
end $$;

-- Breadth: how many concrete (test, drive, weight) combinations each dyno can run. To be called after capabilities change.
create function refresh_breadth() returns void language sql as $$
  update dynos d set breadth = counted.breadth, version = d.version + 1
    from (select d2.id, count(distinct (t.test_type, dr.drive_type, w.weight_class)) as breadth
            from dynos d2
            left join capabilities c on c.dyno_id = d2.id
            left join (select distinct test_type from capabilities where test_type <> 'any') t on c.test_type in (t.test_type, 'any')
            left join (values ('2WD'), ('AWD')) dr (drive_type) on c.drive_type in (dr.drive_type, 'any')
            left join (values ('<10K'), ('>10K')) w (weight_class) on c.weight_class in (w.weight_class, 'any')
           where c.dyno_id is null or (t.test_type is not null and dr.drive_type is not null and w.weight_class is not null)
           group by d2.id) counted
   where counted.id = d.id and counted.breadth <> d.breadth
$$;

-- Who may do what: the booking functions run as their owner, so the door's role can write nothing by itself.
revoke execute on function place, cancel, lapse_holds, refresh_breadth from public;
grant select on dynos, capabilities, vehicles, occupancies, history to dyno_allocations;
grant execute on function place, cancel to dyno_allocations;
