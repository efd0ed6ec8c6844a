-- PostgreSQL 16+. Planning: a dyno of one's choice, holds, changes of what is booked, maintenance and what makes way for it, and what
-- is free. What the release before calls (place and all that it calls) stays as it is until a later migration drops it.

alter table occupancies
  add column asked_date date,                                   -- the first day asked for, of what was moved since; else start_date - shift_days
  add column committed_at timestamptz,                          -- of what was held first: since when it counts, or infinity; else created_at
  add column work jsonb,                                        -- what its days were reckoned from: miles, miles_per_day, added_days
  add constraint committed_behind_its_hold check (committed_at >= created_at);
alter table history
  drop constraint history_occupancy_id_fkey,                     -- would lock each new row once more; nobody can delete one
  drop constraint history_action_check,
  add constraint history_action_check check (
    action in ('book', 'hold', 'confirm', 'move', 'step', 'displace', 'cancel', 'lapse', 'close', 'reopen'));

-- All that the rule below asks of an occupancy is in these two, so that no probe of theirs reads a row.
drop index dyno_days, vehicle_days;
create index dyno_days on occupancies (dyno_id, start_date) include (free_from, end_date, status, expires_at, kind, id) where occupies;
create index vehicle_days on occupancies (vehicle_id, start_date) include (end_date, expires_at, id)
  where occupies and vehicle_id is not null;

-- The dynos that can run something in their order of choice, so that nobody walks past those that cannot: each capability with its
-- drive types and weight classes spelt out, so that two walks are enough, for the test and for any; and none that is disabled.
-- Derived from capabilities and dynos, and kept so by the triggers below.
create table order_of_choice (
  test_type text not null,
  drive_type text not null,
  weight_class text not null,
  breadth integer not null,
  name text not null collate "C",
  dyno_id integer not null references dynos on delete cascade,
  primary key (test_type, drive_type, weight_class, breadth, name) include (dyno_id));
create index order_of_dyno on order_of_choice (dyno_id);

create function refresh_order(p_dyno integer) returns void language sql as $$
  delete from order_of_choice where dyno_id = p_dyno;
  insert into order_of_choice (test_type, drive_type, weight_class, breadth, name, dyno_id)
  select distinct c.test_type, r.drive_type, k.weight_class, d.breadth, d.name, d.id
    from dynos d join capabilities c on c.dyno_id = d.id
    join unnest(array['2WD', 'AWD']) r (drive_type) on c.drive_type in (r.drive_type, 'any')
    join unnest(array['<10K', '>10K']) k (weight_class) on c.weight_class in (k.weight_class, 'any')
   where d.id = p_dyno and d.enabled;
$$;
do $$ begin perform refresh_order(id) from dynos; end $$;

create function keep_order_of_many() returns trigger language plpgsql as $$
begin
  perform refresh_order(c.dyno_id) from (select distinct dyno_id from changed) c;
  return null;
end $$;
create trigger in_order_when_new after insert on capabilities referencing new table as changed
  for each statement execute function keep_order_of_many();
create trigger in_order_when_gone after delete on capabilities referencing old table as changed
  for each statement execute function keep_order_of_many();
create trigger in_order_when_changed after update on capabilities referencing new table as changed
  for each statement execute function keep_order_of_many();
create trigger in_order_when_left after update on capabilities referencing old table as changed
  for each statement execute function keep_order_of_many();

create function keep_order() returns trigger language plpgsql as $$
begin
  perform refresh_order(new.id);
  return null;
end $$;
create trigger in_order after update of breadth, name, enabled on dynos for each row
  when ((old.breadth, old.name, old.enabled) is distinct from (new.breadth, new.name, new.enabled)) execute function keep_order();

-- Those that can run a test in their order of choice, p_most or all: two ordered walks merged, only as far as somebody reads.
create function in_order(p_test text, p_drive text, p_weight text, p_most integer)
returns table (breadth integer, name text, dyno_id integer) language sql stable begin atomic
  (select y.breadth, y.name, y.dyno_id from order_of_choice y
    where y.test_type = p_test and y.drive_type = p_drive and y.weight_class = p_weight
    order by y.breadth, y.name limit p_most)
  union all
  (select y.breadth, y.name, y.dyno_id from order_of_choice y
    where y.test_type = 'any' and y.drive_type = p_drive and y.weight_class = p_weight
    order by y.breadth, y.name limit p_most)
  order by 1, 2 limit p_most;
end;

-- The rule. Booking, moving, refusal and every report of what is free read these functions; PostgreSQL inlines them.
-- p_except is an occupancy that is looked past: the one that is to be moved.

-- Whether what occupies days really does: only a hold expires.
create function is_live(p_expires_at timestamptz, p_at timestamptz) returns boolean language sql immutable
  return p_expires_at is null or p_expires_at > p_at;

-- Why a dyno cannot run a test on some days, whoever else is there. Null: it can.
create function unfit(d dynos, p_capable boolean, p_start date, p_end date) returns text language sql immutable
  return case
    when not d.enabled then 'disabled'
    when not p_capable then 'not_capable'
    when p_start < d.available_from or p_end > d.available_to then 'outside_availability' end;

-- As before, of a test: whether the dyno is capable of it is looked up here. One row.
create or replace function unfit(d dynos, p_test text, p_drive text, p_weight text, p_start date, p_end date)
returns table (reason text) language sql stable begin atomic
  select unfit(d, exists (select from capabilities c where c.dyno_id = d.id and c.test_type in (p_test, 'any')
                             and c.drive_type in (p_drive, 'any') and c.weight_class in (p_weight, 'any')), p_start, p_end)
  offset 0;                                                     -- looked up once, not wherever the reason is spoken of
end;

-- What an occupancy that is in the way of a window is to it. Null: there is none.
create function kept_by(p_kind text, p_status text, p_first_day date, p_last_day date, p_start date, p_end date) returns text
language sql immutable
  return case
    when p_kind is null then null
    when p_last_day < p_start or p_first_day > p_end then 'turnaround'
    when p_kind = 'maintenance' then 'maintenance'
    when p_status = 'held' then 'held'
    else 'booked' end;

-- The occupancy that keeps a window off a dyno, the dyno's own turnaround behind the window included. At most one row.
create function in_the_way(p_dyno integer, p_start date, p_end date, p_turnaround smallint, p_at timestamptz, p_except bigint)
returns setof occupancies language sql stable begin atomic
  select o.* from (
    select * from occupancies x
     where x.dyno_id = p_dyno and x.occupies and is_live(x.expires_at, p_at) and x.id is distinct from p_except
       and x.start_date < p_end + 1 + p_turnaround
     order by x.start_date desc limit 1) o
   where o.free_from > p_start;
end;

-- Why a dyno cannot take a window, all told. One row; free: it can.
create function why_not(d dynos, p_test text, p_drive text, p_weight text, p_start date, p_end date, p_at timestamptz, p_except bigint)
returns table (free boolean, reason text, kind text, occupancy_id bigint, free_from date) language sql stable begin atomic
  select u.reason is null and o.id is null, coalesce(u.reason, kept_by(o.kind, o.status, o.start_date, o.end_date, p_start, p_end)),
         o.kind, o.id, o.free_from
    from unfit(d, p_test, p_drive, p_weight, p_start, p_end) u
    -- Whoever cannot anyway has no calendar to be looked into: a null ends the search at once.
    left join lateral in_the_way(case when u.reason is null then d.id end, p_start, p_end, d.turnaround_days, p_at, p_except) o on true
  offset 0;
end;

-- The booking that keeps a vehicle off a window. At most one row.
create function vehicle_in_the_way(p_vehicle integer, p_start date, p_end date, p_at timestamptz, p_except bigint)
returns setof occupancies language sql stable begin atomic
  select o.* from (
    select * from occupancies x
     where x.vehicle_id = p_vehicle and x.occupies and is_live(x.expires_at, p_at) and x.id is distinct from p_except
       and x.start_date <= p_end
     order by x.start_date desc limit 1) o
   where o.end_date >= p_start;
end;

-- What the release before calls, anew: the columns of such a function are those of the day on which it was made.
create or replace function in_the_way(p_dyno integer, p_start date, p_end date, p_turnaround smallint, p_at timestamptz)
returns setof occupancies language sql stable begin atomic
  select * from in_the_way(p_dyno, p_start, p_end, p_turnaround, p_at, null);
end;

create or replace function vehicle_in_the_way(p_vehicle integer, p_start date, p_end date, p_at timestamptz)
returns setof occupancies language sql stable begin atomic
  select * from vehicle_in_the_way(p_vehicle, p_start, p_end, p_at, null);
end;

-- Searching: each step jumps behind whatever is in the way, so the cost is in bookings passed, not in days.

create function vehicle_free_from(p_vehicle integer, p_start date, p_days integer, p_until date, p_at timestamptz, p_except bigint)
returns date language plpgsql stable as $$
declare day date := p_start; busy_until date;
begin
  while day <= p_until loop
    select o.end_date into busy_until from vehicle_in_the_way(p_vehicle, day, day + p_days - 1, p_at, p_except) o;
    if not found then return day; end if;
    day := busy_until + 1;
  end loop;
  return null;
end $$;

create function dyno_free_from(p_dyno dynos, p_start date, p_days integer, p_until date, p_at timestamptz, p_except bigint)
returns date language plpgsql stable as $$
declare day date := greatest(p_start, p_dyno.available_from); next_day date;
        last date := least(p_until, p_dyno.available_to - p_days + 1);
begin
  while day <= last loop
    select o.free_from into next_day
      from in_the_way(p_dyno.id, day, day + p_days - 1, p_dyno.turnaround_days, p_at, p_except) o;
    if not found then return day; end if;
    day := next_day;
  end loop;
  return null;
end $$;

-- The first days of the next windows in which both a dyno and a vehicle are free, at most p_count: one for each time that something
-- lies between. Without a vehicle, the dyno alone.
create function next_windows(d dynos, p_vehicle integer, p_test text, p_drive text, p_weight text, p_start date, p_days integer,
                             p_until date, p_count integer, p_at timestamptz)
returns setof date language plpgsql stable as $$
declare day date := p_start; vehicle_day date; found_days integer := 0;
begin
  if exists (select from unfit(d, p_test, p_drive, p_weight, p_start, p_start) u where u.reason in ('disabled', 'not_capable')) then
    return;
  end if;
  while found_days < p_count loop
    day := dyno_free_from(d, day, p_days, p_until, p_at, null);
    exit when day is null;
    vehicle_day := vehicle_free_from(p_vehicle, day, p_days, p_until, p_at, null);
    exit when vehicle_day is null;
    if vehicle_day > day then day := vehicle_day; continue; end if;
    return next day;
    found_days := found_days + 1;
    -- Behind whatever comes next, of the dyno's or of the vehicle's.
    select o.day into day from (
      (select x.start_date, x.free_from as day from occupancies x
        where x.dyno_id = d.id and x.occupies and is_live(x.expires_at, p_at) and x.start_date > day order by 1 limit 1)
      union all
      (select x.start_date, x.end_date + 1 from occupancies x
        where x.vehicle_id = p_vehicle and x.occupies and is_live(x.expires_at, p_at) and x.start_date > day
        order by 1 limit 1)) o
     order by o.start_date limit 1;
    exit when day is null;
  end loop;
end $$;

-- What the API says of an allocation; the release before leaves out what it does not know.
create or replace function allocation_json(o occupancies, p_dyno_name text, p_vin text) returns jsonb language sql stable
  return jsonb_build_object(
    'allocation_id', o.id, 'dyno_id', o.dyno_id, 'dyno_name', p_dyno_name, 'vehicle_id', o.vehicle_id, 'vin', p_vin,
    'test_type', o.test_type, 'start_date', o.start_date, 'end_date', o.end_date, 'status', o.status,
    'shift_days', o.shift_days, 'booked_by', o.booked_by, 'created_at', o.created_at, 'expires_at', o.expires_at,
    'cancelled_at', o.cancelled_at, 'work', o.work, 'version', o.version);

-- The same, its names looked up.
create function allocation_json(o occupancies) returns jsonb language sql stable
  return (select allocation_json(o, d.name, v.vin) from dynos d, vehicles v where d.id = o.dyno_id and v.id = o.vehicle_id);

-- What it says of a maintenance window.
create function window_json(o occupancies) returns jsonb language sql stable
  return (select jsonb_build_object('window_id', o.id, 'dyno_id', o.dyno_id, 'dyno_name', d.name, 'start_date', o.start_date,
            'end_date', o.end_date, 'reason', o.reason, 'status', o.status, 'created_at', o.created_at,
            'cancelled_at', o.cancelled_at, 'version', o.version)
            from dynos d where d.id = o.dyno_id);

-- What it says of something that is in the way.
create function obstacle_json(o occupancies) returns jsonb language sql stable
  return jsonb_strip_nulls(jsonb_build_object('allocation_id', case when o.kind = 'allocation' then o.id end,
    'window_id', case when o.kind = 'maintenance' then o.id end, 'dyno_id', o.dyno_id, 'start_date', o.start_date,
    'end_date', o.end_date, 'status', o.status, 'vin', (select v.vin from vehicles v where v.id = o.vehicle_id)));

-- And of a dyno that cannot take a window; what is null in it is left out by whoever asks. A row is made into JSON in half the time
-- that an object takes to be built, and a refusal makes one of every dyno.
create type rejection as (dyno_id integer, dyno_name text, reason text, allocation_id bigint, window_id bigint, free_from date);
create function rejection(p_dyno integer, p_name text, p_reason text, p_kind text, p_occupancy bigint, p_free_from date)
returns rejection language sql immutable
  return row(p_dyno, p_name, p_reason, case when p_kind = 'allocation' then p_occupancy end,
             case when p_kind = 'maintenance' then p_occupancy end, p_free_from)::rejection;

-- As before, but a key that was used long ago is forgotten, so that nobody has to reckon with it who uses it anew.
-- Like answered(), it has the search path of the function that calls it: both are called once for every booking.
create or replace function remembered_answer(p_owner text, p_route text, p_key text, p_hash bytea) returns jsonb language plpgsql as $$
declare done idempotency_keys; locked text;
begin
  if p_key is null then return null; end if;
  locked := pg_advisory_xact_lock(hashtextextended(p_owner || chr(31) || p_route || chr(31) || p_key, 0))::text;  -- no query of its own
  select * into done from idempotency_keys i where i.owner = p_owner and i.route = p_route and i.key = p_key;
  if not found then return null; end if;
  if done.created_at <= clock_timestamp() - interval '24 hours' then
    delete from idempotency_keys i where i.owner = p_owner and i.route = p_route and i.key = p_key;
    return null;
  end if;
  if done.body_hash <> p_hash then return jsonb_build_object('outcome', 'key_reused'); end if;
  return done.answer || '{"replayed": true}';
end $$;

-- An answer, kept for whoever asks again if a key came with the request: one that remembered_answer() was asked for and did not know.
create function answered(p_owner text, p_route text, p_key text, p_hash bytea, p_answer jsonb) returns jsonb language plpgsql as $$
begin
  if p_key is not null then
    insert into idempotency_keys (owner, route, key, body_hash, answer) values (p_owner, p_route, p_key, p_hash, p_answer);
  end if;
  return p_answer;
end $$;

-- Holds that ran out and lie where somebody wants to go, or all there are. One that somebody is changing now is passed over.
create function lapse(p_dyno integer, p_vehicle integer, p_start date, p_until date, p_at timestamptz) returns bigint
language sql as $$
  with over as (
    select o.id, allocation_json(o) as before from occupancies o
     where o.status = 'held' and o.expires_at <= p_at
       and (p_start is null or (o.dyno_id = p_dyno or o.vehicle_id = p_vehicle) and o.start_date < p_until and o.free_from > p_start)
     order by o.id for no key update skip locked
  ), lapsed as (
    update occupancies o set status = 'lapsed', expires_at = null, version = version + 1 from over where o.id = over.id
    returning o.id, over.before, allocation_json(o) as after
  ), noted as (
    insert into history (occupancy_id, action, actor, before, after)
    select l.id, 'lapse', 'system', l.before, l.after from lapsed l order by l.id returning 1
  )
  select count(*) from noted
$$;

create or replace function sweep(p_keys_older_than interval) returns table (lapsed bigint, keys bigint)
  language sql security definer set search_path = pg_catalog, public, pg_temp as $$
  with keys as (
    -- One that is being used anew is passed over: whoever uses it may wait for what lapses here.
    delete from idempotency_keys i using (
      select owner, route, key from idempotency_keys where created_at < clock_timestamp() - p_keys_older_than for update skip locked) old
     where (i.owner, i.route, i.key) = (old.owner, old.route, old.key) returning 1
  )
  select lapse(null, null, null, null, clock_timestamp()), (select count(*) from keys)
$$;

-- All dynos at once, or p_dyno alone: the one of choice for a window, or the first day behind it on which one of them is free for as
-- long; or, if there is neither, the reasons of each, what kept most of the capable ones, and whether somebody else's days kept any.
create function look_at_all(p_dyno integer, p_test text, p_drive text, p_weight text, p_start date, p_days integer, p_until date,
                            p_at timestamptz, p_except bigint,
                            out dyno_id integer, out version integer, out next_day date,
                            out rejected json, out mostly text, out conflicting boolean)
language plpgsql stable as $$
#variable_conflict use_column
begin
  with looked as materialized (
    select x.*, coalesce(x.unfit, kept_by(o.kind, o.status, o.start_date, o.end_date, p_start, p_start + p_days - 1)) as reason,
           o.kind, o.id as occupancy_id, o.free_from
      from (
        select x.id, x.version, x.name, x.breadth, x.turnaround_days, x.available_from, x.available_to,
               unfit(x, x.id in (select y.dyno_id from order_of_choice y
                                  where y.test_type in (p_test, 'any') and y.drive_type = p_drive and y.weight_class = p_weight),
                     p_start, p_start + p_days - 1) as unfit
          from dynos x
         where x.id = p_dyno or p_dyno is null and x.retired_at is null
        offset 0) x
      left join lateral in_the_way(case when x.unfit is null then x.id end, p_start, p_start + p_days - 1, x.turnaround_days, p_at,
                                   p_except) o on true
  ), waiting as (
    -- From when on it is free, were nothing to follow; and behind its last day and what must be free then, nothing matters.
    select l.id, coalesce(l.free_from, o.free_from, l.available_from) as first_day, least(p_until, l.available_to - p_days + 1) as last_day,
           p_days + l.turnaround_days as days_needed, least(p_until, l.available_to - p_days + 1) + p_days + l.turnaround_days as horizon
      from looked l
      left join lateral in_the_way(case when l.free_from is null then l.id end, l.available_from, l.available_from, 0::smallint, p_at,
                                   p_except) o on true
     where l.free_from is not null or l.reason = 'outside_availability' and l.available_from > p_start
  ), next as (
    select min(g.day) as day
      from waiting w
     cross join lateral (
       -- Most calendars are told to be too full by adding up what is in them; only of the others the gaps are looked at.
       select coalesce(sum(least(o.free_from, w.horizon) - o.start_date), 0)::integer as days from occupancies o
        where o.dyno_id = w.id and o.occupies and is_live(o.expires_at, p_at) and o.id is distinct from p_except
          and o.start_date >= w.first_day and o.start_date < w.horizon
       offset 0) taken
     cross join lateral (
       select coalesce(min(x.day) filter (where x.taken_from >= x.day + w.days_needed), max(x.free_from), w.first_day) as day from (
         select lag(o.free_from, 1, w.first_day) over (order by o.start_date) as day, o.start_date as taken_from, o.free_from
           from occupancies o
          where o.dyno_id = w.id and o.occupies and is_live(o.expires_at, p_at) and o.id is distinct from p_except
            and o.start_date >= w.first_day and o.start_date < w.horizon) x
       offset 0) g
     where w.first_day <= w.last_day and w.first_day + taken.days + w.days_needed <= w.horizon and g.day <= w.last_day
  ), best as materialized (
    select l.id, l.version, n.day
      from next n left join (select * from looked f where f.reason is null order by f.breadth, f.name limit 1) l on true
  )
  select b.id, b.version, b.day, r.rejected, r.mostly, r.conflicting into dyno_id, version, next_day, rejected, mostly, conflicting
    from best b
    left join lateral (
      select json_strip_nulls(json_agg(rejection(l.id, l.name, l.reason, l.kind, l.occupancy_id, l.free_from) order by l.name)) as rejected,
             (select c.reason from (
                select q.reason, count(*) as dynos from looked q
                 where q.reason <> 'not_capable'
                   and (q.reason <> 'disabled'
                        or exists (select from capabilities c where c.dyno_id = q.id and c.test_type in (p_test, 'any')
                                      and c.drive_type in (p_drive, 'any') and c.weight_class in (p_weight, 'any')))
                 group by 1) c
               order by c.dynos desc, array_position(array['booked', 'held', 'turnaround', 'maintenance', 'outside_availability',
                                                           'disabled'], c.reason) limit 1) as mostly,
             bool_or(l.kind is not null) as conflicting
        from looked l
       where b.id is null and b.day is null) r on true;
end $$;

-- One dyno for a test: the earliest day, then the least capable, then the first by name; or p_dyno and no other. Gives it and the day,
-- its row locked unless somebody else has it locked; or no dyno, and of first_day, the first on which the vehicle is free, what
-- look_at_all() says of all. again: what was seen does not go together.
create function choose(p_dyno integer, p_vehicle integer, p_drive text, p_weight text, p_test text, p_start date, p_days integer,
                       p_until date, p_except bigint,
                       out dyno_id integer, out dyno_name text, out turnaround_days smallint, out day date, out first_day date,
                       out rejected json, out mostly text, out conflicting boolean, out again boolean)
language plpgsql as $$
#variable_conflict use_column
declare at timestamptz; candidate integer; seen_version integer; seen record;
begin
  again := false;
  day := p_start;
  loop
    exit when day > p_until;
    at := clock_timestamp();
    -- Of those that can do it, in order, the first: one by one until one is free, unless too many are not.
    if p_dyno is null then
      select c.dyno_id, x.version into candidate, seen_version
        from in_order(p_test, p_drive, p_weight, 16) c
       cross join lateral (
         select x.version from dynos x
          where x.id = c.dyno_id and unfit(x, true, day, day + p_days - 1) is null
            and not exists (select from in_the_way(x.id, day, day + p_days - 1, x.turnaround_days, at, p_except))
         offset 0) x
       where not exists (select from vehicle_in_the_way(p_vehicle, day, day + p_days - 1, at, p_except))
       order by c.breadth, c.name collate "C" limit 1;
    else
      select x.id, x.version into candidate, seen_version from dynos x
       where x.id = p_dyno and (select w.free from why_not(x, p_test, p_drive, p_weight, day, day + p_days - 1, at, p_except) w)
         and not exists (select from vehicle_in_the_way(p_vehicle, day, day + p_days - 1, at, p_except));
    end if;
    if candidate is null then
      if exists (select from vehicle_in_the_way(p_vehicle, day, day + p_days - 1, at, p_except)) then
        day := vehicle_free_from(p_vehicle, day, p_days, p_until, at, p_except);
        exit when day is null;
        continue;
      end if;
      first_day := coalesce(first_day, day);
      seen := look_at_all(p_dyno, p_test, p_drive, p_weight, day, p_days, p_until, at, p_except);
      candidate := seen.dyno_id;
      seen_version := seen.version;
    end if;
    if candidate is not null then
      select x.id, x.name, x.turnaround_days into dyno_id, dyno_name, turnaround_days
        from dynos x where x.id = candidate and x.version = seen_version for no key update skip locked;
      exit when found;
      -- A dyno somebody is booking this instant is passed over: a crowd spreads out instead of queueing.
      if p_dyno is null then
        select c.dyno_id, c.name, x.turnaround_days into dyno_id, dyno_name, turnaround_days
          from in_order(p_test, p_drive, p_weight, null) c
         cross join lateral (select z.version from dynos z where z.id = c.dyno_id offset 0) z
         cross join lateral (                                     -- in that order, and not sorted again: all would be locked for it
           select x.turnaround_days from dynos x
            where x.id = c.dyno_id and x.version = z.version and unfit(x, true, day, day + p_days - 1) is null
              and not exists (select from in_the_way(x.id, day, day + p_days - 1, x.turnaround_days, at, p_except))
              for no key update skip locked) x
         limit 1;
        exit when found;
      end if;
      -- Free, but somebody is booking it: let the constraint decide. Two dynos are never waited for in turn, but for who changes one,
      -- who waits for nobody any more.
      perform from dynos x where x.id = candidate for key share;
      -- It stays as it is from here on. What was seen of it is older than that.
      select x.id, x.name, x.turnaround_days into dyno_id, dyno_name, turnaround_days
        from dynos x cross join lateral unfit(x, p_test, p_drive, p_weight, day, day + p_days - 1) u
       where x.id = candidate and u.reason is null;
      again := not found;
      exit;
    end if;

    exit when seen.next_day is null;
    day := seen.next_day;
  end loop;
  if dyno_id is not null or first_day is null or again then return; end if;

  if seen.rejected is null or day <> first_day then               -- it was another day that was looked at
    seen := look_at_all(p_dyno, p_test, p_drive, p_weight, first_day, p_days, first_day - 1, clock_timestamp(), p_except);
  end if;
  rejected := seen.rejected;
  mostly := coalesce(seen.mostly, 'not_capable');
  conflicting := coalesce(seen.conflicting, false);
  again := seen.dyno_id is not null;                              -- cancelled since
end $$;

-- Book a vehicle, onto p_dyno or the dyno of choice: one call, one transaction, at most one booking. With p_hold, held for so long.
--
-- Gives {"outcome": …}: booked and would_book with the allocation (replayed: true if the key had done it before), or key_reused,
-- bad_window, vehicle_not_found, vehicle_retired, dyno_not_found, vehicle_already_allocated, no_dyno_available, contended; or lapsed:
-- holds that ran out were in the way and are not any more, ask again.
-- Every attempt takes a fresh snapshot; the exclusion constraints have the last word. An attempt that was outrun, or that saw
-- two things that do not go together, begins again from the day that was asked for.
--
-- Plans are kept for as long as a session, and a table that was small when one was made would be read from end to end for ever.
create function book(
  p_owner text, p_route text, p_key text, p_hash bytea, p_dyno integer, p_vehicle integer, p_vin text, p_test text, p_start date,
  p_days integer, p_max_shift integer, p_hold interval, p_work jsonb, p_dry boolean, p_zone text, p_horizon_days integer,
  p_max_days integer)
returns json language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off
  set enable_sort = off set plan_cache_mode = force_generic_plan as $$
declare
  answer jsonb; refusal json;
  today date := (clock_timestamp() at time zone p_zone)::date;
  until date := least(p_start + p_max_shift, today + p_horizon_days - p_days + 1);   -- the last day worth trying
  v record; o occupancies; c record; booked record; in_its_way jsonb;
begin
  if p_key is not null then
    answer := remembered_answer(p_owner, p_route, p_key, p_hash);
    if answer is not null then return answer; end if;
  end if;
  if p_days not between 1 and p_max_days or p_start < today or p_start > until then
    return jsonb_build_object('outcome', 'bad_window', 'today', today);
  end if;
  if p_dyno is not null and not exists (select from dynos x where x.id = p_dyno) then
    return jsonb_build_object('outcome', 'dyno_not_found');
  end if;

  for attempts in 1 .. 64 loop
    -- The vehicle stays as it is from here on, as the dyno will once it is chosen. Before the insert: what is inserted and taken back
    -- stays in the way of others until all is over, and so does whoever is waited for meanwhile.
    if p_vehicle is not null then
      select x.id, x.vin, x.drive_type, x.weight_class, x.retired_at into v from vehicles x where x.id = p_vehicle for key share;
    else
      select x.id, x.vin, x.drive_type, x.weight_class, x.retired_at into v from vehicles x where x.vin = p_vin for key share;
    end if;
    if not found then return jsonb_build_object('outcome', 'vehicle_not_found'); end if;
    if v.retired_at is not null then return jsonb_build_object('outcome', 'vehicle_retired', 'vin', v.vin); end if;

    c := choose(p_dyno, v.id, v.drive_type, v.weight_class, p_test, p_start, p_days, until, null);
    continue when c.again;
    if c.dyno_id is null then
      if c.first_day is null then
        select jsonb_agg(obstacle_json(x) order by x.start_date) into in_its_way from occupancies x
         where x.vehicle_id = v.id and x.occupies and is_live(x.expires_at, clock_timestamp())
           and x.start_date < until + p_days and x.end_date >= p_start;
        continue when in_its_way is null;                         -- cancelled since
        refusal := jsonb_build_object('outcome', 'vehicle_already_allocated', 'in_the_way', in_its_way, 'vin', v.vin);
      else
        refusal := json_build_object('outcome', 'no_dyno_available', 'rejected', coalesce(c.rejected, '[]'),
          'start_date', c.first_day, 'end_date', c.first_day + p_days - 1, 'vin', v.vin);
      end if;
      if not p_dry then
        insert into refusals (actor, vehicle_id, test_type, drive_type, weight_class, start_date, days_to_complete, reason, conflicting)
        values (p_owner, v.id, p_test, v.drive_type, v.weight_class, p_start, p_days,
                coalesce(c.mostly, 'vehicle_already_allocated'), coalesce(c.conflicting, true));
      end if;
      return refusal;
    end if;

    if p_dry then
      o := jsonb_populate_record(null::occupancies, jsonb_build_object(
        'dyno_id', c.dyno_id, 'vehicle_id', v.id, 'test_type', p_test, 'start_date', c.day, 'end_date', c.day + p_days - 1, 'work', p_work,
        'shift_days', c.day - p_start, 'booked_by', p_owner, 'status', case when p_hold is null then 'scheduled' else 'held' end));
      return jsonb_build_object('outcome', 'would_book', 'allocation', allocation_json(o, c.dyno_name, v.vin));
    end if;

    insert into occupancies as x (kind, dyno_id, vehicle_id, test_type, start_date, end_date, turnaround_days, shift_days, status,
                                  expires_at, booked_by, committed_at, work)
      values ('allocation', c.dyno_id, v.id, p_test, c.day, c.day + p_days - 1, c.turnaround_days, c.day - p_start,
              case when p_hold is null then 'scheduled' else 'held' end, clock_timestamp() + p_hold, p_owner,
              case when p_hold is not null then timestamptz 'infinity' end, p_work)
      on conflict do nothing returning x.id, allocation_json(x, c.dyno_name, v.vin) as allocation into booked;
    if not found then                                             -- somebody was faster, or a hold ran out and nobody said so
      -- What lapses is committed first: who moves something onto those days waits for it, and is not to be waited for.
      if lapse(c.dyno_id, v.id, c.day, c.day + p_days + c.turnaround_days, clock_timestamp()) > 0 then
        return jsonb_build_object('outcome', 'lapsed');
      end if;
      continue;
    end if;

    insert into history (occupancy_id, action, actor, after)
      values (booked.id, case when p_hold is null then 'book' else 'hold' end, p_owner, booked.allocation);
    return answered(p_owner, p_route, p_key, p_hash, jsonb_build_object('outcome', 'booked', 'allocation', booked.allocation));
  end loop;
  return jsonb_build_object('outcome', 'contended');
end $$;

-- Change an allocation: its dyno, its days, its status, whatever p_changes names.
--
-- Gives {"outcome": …}: changed, would_change and unchanged with the allocation, or not_found, stale, closed, step_not_allowed,
-- under_way, too_early, bad_window, dyno_not_found, vehicle_already_allocated, no_dyno_available, contended.
create function change_allocation(
  p_id bigint, p_actor text, p_version integer, p_changes jsonb, p_dry boolean, p_zone text, p_horizon_days integer, p_max_days integer)
returns jsonb language plpgsql security definer set search_path = public, pg_temp as $$
declare
  moves boolean := p_changes ?| array['dyno_id', 'start_date', 'end_date', 'days_to_complete'];
  today date := (clock_timestamp() at time zone p_zone)::date;
  at timestamptz; was occupancies; wanted occupancies; d dynos; v vehicles; o occupancies; w record; in_its_way jsonb;
begin
  if moves then perform plan_alone(); end if;
  select * into was from occupancies x where x.id = p_id and x.kind = 'allocation' for no key update;
  if not found then return jsonb_build_object('outcome', 'not_found'); end if;
  if was.status = 'held' and was.expires_at <= clock_timestamp() then
    perform lapse(was.dyno_id, was.vehicle_id, was.start_date, was.end_date + 1, clock_timestamp());
    select * into was from occupancies x where x.id = p_id;
  end if;
  if was.status in ('completed', 'cancelled', 'lapsed') then
    return jsonb_build_object('outcome', 'closed', 'status', was.status);
  end if;
  if was.version <> p_version then
    return jsonb_build_object('outcome', 'stale', 'allocation', allocation_json(was));
  end if;

  wanted := jsonb_populate_record(was, p_changes - 'days_to_complete');
  wanted.end_date := case
    when p_changes ? 'days_to_complete' then wanted.start_date + (p_changes ->> 'days_to_complete')::integer - 1
    when p_changes ? 'end_date' then wanted.end_date
    else wanted.start_date + (was.end_date - was.start_date) end;
  if wanted.status <> was.status
     and (was.status, wanted.status) not in (('held', 'scheduled'), ('scheduled', 'in_progress'), ('in_progress', 'completed')) then
    return jsonb_build_object('outcome', 'step_not_allowed', 'status', was.status);
  end if;
  if was.status = 'in_progress' and (wanted.dyno_id, wanted.start_date) is distinct from (was.dyno_id, was.start_date) then
    return jsonb_build_object('outcome', 'under_way');
  end if;
  if wanted.status = 'in_progress' and wanted.start_date > today then
    return jsonb_build_object('outcome', 'too_early', 'start_date', wanted.start_date, 'today', today);
  end if;
  if wanted.status = 'completed' then
    wanted.end_date := least(wanted.end_date, today);             -- and the days behind it are free
  elsif (wanted.start_date, wanted.end_date) is distinct from (was.start_date, was.end_date)
        and (wanted.end_date - wanted.start_date + 1 not between 1 and p_max_days or wanted.end_date < today
             or wanted.start_date < today and wanted.start_date <> was.start_date or wanted.end_date > today + p_horizon_days) then
    return jsonb_build_object('outcome', 'bad_window', 'today', today, 'start_date', wanted.start_date,
                              'end_date', least(wanted.end_date, date '9999-12-31'));
  end if;
  if wanted.status = 'scheduled' and was.status = 'held' then
    wanted.expires_at := null;
    wanted.committed_at := clock_timestamp();
  end if;
  if wanted.start_date <> was.start_date then
    wanted.asked_date := coalesce(was.asked_date, was.start_date - was.shift_days);
  end if;
  if wanted = was then return jsonb_build_object('outcome', 'unchanged', 'allocation', allocation_json(was)); end if;

  select * into v from vehicles x where x.id = was.vehicle_id;
  select * into d from dynos x where x.id = wanted.dyno_id;
  if not found then return jsonb_build_object('outcome', 'dyno_not_found'); end if;
  if wanted.dyno_id <> was.dyno_id then wanted.turnaround_days := d.turnaround_days; end if;
  d.turnaround_days := wanted.turnaround_days;                    -- whatever its dyno's is now, it keeps the one it was made with
  wanted.version := was.version + 1;
  for attempts in 1 .. 64 loop
    at := clock_timestamp();
    -- What only lets go of days asks nobody.
    if wanted.dyno_id <> was.dyno_id or wanted.start_date < was.start_date or wanted.end_date > was.end_date then
      select jsonb_agg(obstacle_json(x) order by x.start_date) into in_its_way from occupancies x
       where x.vehicle_id = v.id and x.id <> p_id and x.occupies and is_live(x.expires_at, at)
         and x.start_date <= wanted.end_date and x.end_date >= wanted.start_date;
      if in_its_way is not null then
        return jsonb_build_object('outcome', 'vehicle_already_allocated', 'in_the_way', in_its_way, 'vin', v.vin);
      end if;
      select * into w from why_not(d, was.test_type, v.drive_type, v.weight_class, wanted.start_date, wanted.end_date, at, p_id);
      if not w.free then
        return jsonb_build_object('outcome', 'no_dyno_available', 'vin', v.vin, 'start_date', wanted.start_date, 'end_date', wanted.end_date,
          'rejected', jsonb_strip_nulls(jsonb_build_array(
            rejection(d.id, d.name, w.reason, w.kind, w.occupancy_id, w.free_from))));
      end if;
      perform lapse(d.id, v.id, wanted.start_date, wanted.end_date + 1 + d.turnaround_days, at);
    end if;
    if p_dry then
      wanted.version := was.version;
      return jsonb_build_object('outcome', 'would_change', 'allocation', allocation_json(wanted, d.name, v.vin));
    end if;
    begin
      update occupancies x
         set dyno_id = wanted.dyno_id, start_date = wanted.start_date, end_date = wanted.end_date, turnaround_days = wanted.turnaround_days,
             status = wanted.status, expires_at = wanted.expires_at, asked_date = wanted.asked_date, committed_at = wanted.committed_at,
             version = wanted.version
       where x.id = p_id returning * into o;
      insert into history (occupancy_id, action, actor, before, after)
        values (p_id, case when wanted.status = was.status then 'move' when was.status = 'held' then 'confirm' else 'step' end,
                p_actor, allocation_json(was), allocation_json(o));
      return jsonb_build_object('outcome', 'changed', 'allocation', allocation_json(o, d.name, v.vin));
    exception when exclusion_violation then                       -- somebody was faster
    end;
  end loop;
  return jsonb_build_object('outcome', 'contended');
end $$;

-- As before, but a hold that ran out is over. Cancel an allocation, keeping its row; its own (booked by p_actor) or, with p_any,
-- anybody's. A second time changes nothing.
create or replace function cancel(p_id bigint, p_actor text, p_any boolean) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare o occupancies; dyno_name text; the_vin text; was jsonb;
begin
  select * into o from occupancies x where x.id = p_id and x.kind = 'allocation' for no key update;
  if not found then return jsonb_build_object('outcome', 'not_found'); end if;
  if o.status = 'held' and o.expires_at <= clock_timestamp() then
    perform lapse(o.dyno_id, o.vehicle_id, o.start_date, o.end_date + 1, clock_timestamp());
    select * into o from occupancies x where x.id = p_id;
  end if;
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

-- Close a dyno for some days. With p_displace, the bookings that are in the way are placed anew, as if booked again from their first
-- day on, and keep their ids; if one of them cannot be, nothing happens.
--
-- Gives {"outcome": …}: closed and would_close with the window and what was displaced, or key_reused, bad_window, dyno_not_found,
-- maintenance_overlap with what is in the way and why it cannot move, contended.
create function close_dyno(
  p_actor text, p_route text, p_key text, p_hash bytea, p_dyno integer, p_start date, p_end date, p_reason text, p_displace boolean,
  p_max_shift integer, p_dry boolean, p_zone text, p_horizon_days integer)
returns jsonb language plpgsql security definer set search_path = public, pg_temp as $$
declare
  answer jsonb := remembered_answer(p_actor, p_route, p_key, p_hash);
  today date := (clock_timestamp() at time zone p_zone)::date;
  d dynos; o occupancies; moved occupancies; closed occupancies; ways occupancies[]; v vehicles; c record;
  stuck jsonb; displaced jsonb; undone text; name text;
begin
  if answer is not null then return answer; end if;
  if p_end < p_start or p_end - p_start >= 1825 or p_end < today or p_end > today + p_horizon_days then
    return jsonb_build_object('outcome', 'bad_window', 'today', today);
  end if;
  perform plan_alone();
  select * into d from dynos x where x.id = p_dyno for no key update;
  if not found then return jsonb_build_object('outcome', 'dyno_not_found'); end if;

  for attempts in 1 .. 64 loop
    perform lapse(d.id, null, p_start, p_end + 1 + d.turnaround_days, clock_timestamp());
    select array_agg(x order by x.start_date, x.id) into ways from (
      select * from occupancies y
       where y.dyno_id = d.id and y.occupies and is_live(y.expires_at, clock_timestamp())
         and y.start_date < p_end + 1 + d.turnaround_days and y.free_from > p_start
       order by y.id for no key update) x;
    select jsonb_agg(obstacle_json(x) || jsonb_build_object('reason',
             case when p_displace and x.kind = 'allocation' then x.status
                  when not p_displace and (x.end_date < p_start or x.start_date > p_end) then 'turnaround'
                  when x.kind = 'maintenance' then 'maintenance'
                  when x.status = 'held' then 'held'
                  else 'booked' end) order by x.start_date)
      into stuck from unnest(ways) x where not p_displace or x.kind = 'maintenance' or x.status not in ('held', 'scheduled');
    if stuck is not null then
      return jsonb_build_object('outcome', 'maintenance_overlap', 'in_the_way', stuck);
    end if;

    displaced := '[]'; stuck := '[]';
    begin
      undone := null;
      -- Out of the way first, so that the window can be there when new places are looked for.
      update occupancies x set status = 'lapsed', expires_at = null from unnest(ways) y where x.id = y.id;
      insert into occupancies (kind, dyno_id, reason, start_date, end_date, turnaround_days)
        values ('maintenance', d.id, p_reason, p_start, p_end, d.turnaround_days) on conflict do nothing returning * into closed;
      if not found then
        raise exception using errcode = 'DY001', message = 'again';
      end if;
      insert into history (occupancy_id, action, actor, after) values (closed.id, 'close', p_actor, window_json(closed));
      foreach o in array coalesce(ways, '{}') loop
        select * into v from vehicles x where x.id = o.vehicle_id;
        select * into c from choose(null, v.id, v.drive_type, v.weight_class, o.test_type, greatest(o.start_date, today),
          o.end_date - o.start_date + 1, least(greatest(o.start_date, today) + p_max_shift, today + p_horizon_days - (o.end_date - o.start_date)), o.id);
        if c.again then
          raise exception using errcode = 'DY001', message = 'again';
        end if;
        if c.dyno_id is null then
          stuck := stuck || (obstacle_json(o) || jsonb_strip_nulls(jsonb_build_object(
            'reason', case when c.first_day is null then 'vehicle_already_allocated' else 'no_dyno_available' end,
            'rejected', (select jsonb_agg(case when r -> 'window_id' = to_jsonb(closed.id) then r - 'window_id' else r end order by n)
                           from jsonb_array_elements(c.rejected::jsonb) with ordinality r (r, n)))));  -- that window will not have been
          continue;
        end if;
        perform lapse(c.dyno_id, v.id, c.day, c.day + (o.end_date - o.start_date) + 1 + c.turnaround_days, clock_timestamp());
        update occupancies x
           set dyno_id = c.dyno_id, start_date = c.day, end_date = c.day + (o.end_date - o.start_date), turnaround_days = c.turnaround_days,
               status = o.status, expires_at = o.expires_at, version = x.version + 1,
               asked_date = coalesce(x.asked_date, x.start_date - x.shift_days)
         where x.id = o.id returning * into moved;
        displaced := displaced || jsonb_build_object('before', allocation_json(o), 'after', allocation_json(moved));
        insert into history (occupancy_id, action, actor, before, after)
          values (o.id, 'displace', p_actor, allocation_json(o), allocation_json(moved));
      end loop;
      if stuck <> '[]' then
        raise exception using errcode = 'DY001', message = 'stuck';
      end if;
      answer := jsonb_build_object('outcome', case when p_dry then 'would_close' else 'closed' end,
                                   'window', window_json(closed), 'displaced', displaced);
      if p_dry then
        raise exception using errcode = 'DY001', message = 'dry';
      end if;
      return answered(p_actor, p_route, p_key, p_hash, answer);
    exception
      when sqlstate 'DY001' then undone := sqlerrm;
      when exclusion_violation then undone := 'again';
    end;
    if undone = 'dry' then return answer; end if;
    if undone = 'stuck' then return jsonb_build_object('outcome', 'maintenance_overlap', 'in_the_way', stuck); end if;
  end loop;
  return jsonb_build_object('outcome', 'contended');
end $$;

-- Open a dyno that a window keeps closed; a second time changes nothing. Gives {"outcome": …}: reopened with the window, or not_found.
create function reopen_dyno(p_dyno integer, p_window bigint, p_actor text) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare was occupancies; o occupancies;
begin
  select * into was from occupancies x where x.id = p_window and x.dyno_id = p_dyno and x.kind = 'maintenance' for no key update;
  if not found then return jsonb_build_object('outcome', 'not_found'); end if;
  o := was;
  if was.status <> 'cancelled' then
    update occupancies x set status = 'cancelled', cancelled_at = clock_timestamp(), version = x.version + 1
     where x.id = p_window returning * into o;
    insert into history (occupancy_id, action, actor, before, after)
      values (p_window, 'reopen', p_actor, window_json(was), window_json(o));
  end if;
  return jsonb_build_object('outcome', 'reopened', 'window', window_json(o));
end $$;

-- What is free: for a vehicle, or for any of a drive type and weight class.
--
-- Gives {"outcome": "looked"} with the vehicle's and each dyno's answer for the window, and the first p_next windows that would do from
-- its first day on; or bad_window, vehicle_not_found, vehicle_retired.
create function availability(
  p_vehicle integer, p_vin text, p_drive text, p_weight text, p_test text, p_start date, p_days integer, p_next integer, p_zone text,
  p_horizon_days integer, p_max_days integer)
returns jsonb language plpgsql stable security definer set search_path = public, pg_temp as $$
declare
  at timestamptz := clock_timestamp();
  today date := (at at time zone p_zone)::date;
  until date := today + p_horizon_days - p_days + 1;
  finish date := p_start + p_days - 1;
  v vehicles;
begin
  if p_days not between 1 and p_max_days or p_start < today or p_start > until then
    return jsonb_build_object('outcome', 'bad_window', 'today', today);
  end if;
  select * into v from vehicles x where x.id = p_vehicle or x.vin = p_vin;
  if not found and p_drive is null then return jsonb_build_object('outcome', 'vehicle_not_found'); end if;
  if v.retired_at is not null then return jsonb_build_object('outcome', 'vehicle_retired', 'vin', v.vin); end if;
  p_drive := coalesce(v.drive_type, p_drive); p_weight := coalesce(v.weight_class, p_weight);
  return (
    with looked as materialized (
      select x.id, x.name, x.breadth, w.*
        from dynos x cross join lateral why_not(x, p_test, p_drive, p_weight, p_start, finish, at, null) w
       where x.retired_at is null
    ), next as (
      select x.id, x.name, x.breadth, n.day
        from dynos x cross join lateral next_windows(x, v.id, p_test, p_drive, p_weight, p_start, p_days, until, p_next, at) n (day)
       where x.retired_at is null
       order by n.day, x.breadth, x.name limit p_next
    )
    select jsonb_build_object('outcome', 'looked', 'start_date', p_start, 'end_date', finish,
      'vehicle_id', v.id, 'vin', v.vin,
      'in_the_way', coalesce((select jsonb_agg(obstacle_json(o) order by o.start_date) from occupancies o
                               where o.vehicle_id = v.id and o.occupies and is_live(o.expires_at, at)
                                 and o.start_date <= finish and o.end_date >= p_start), '[]'),
      'available', coalesce((select jsonb_agg(jsonb_build_object('dyno_id', l.id, 'dyno_name', l.name, 'breadth', l.breadth)
                                              order by l.breadth, l.name) from looked l where l.free), '[]'),
      'rejected', coalesce((
        select jsonb_strip_nulls(jsonb_agg(rejection(l.id, l.name, l.reason, l.kind, l.occupancy_id, l.free_from) order by l.name))
          from looked l where not l.free), '[]'),
      'next', coalesce((select jsonb_agg(jsonb_build_object('dyno_id', n.id, 'dyno_name', n.name, 'start_date', n.day,
                                                            'end_date', n.day + p_days - 1) order by n.day, n.breadth, n.name)
                          from next n), '[]')));
end $$;

-- A dyno's calendar: what takes it within some days, in order, and the days that nothing takes. Null: there is no such dyno.
create function schedule(p_dyno integer, p_from date, p_to date) returns jsonb
language sql stable security definer set search_path = public, pg_temp as $$
  with taken as materialized (
    select o.* from occupancies o
     where o.dyno_id = p_dyno and o.occupies and is_live(o.expires_at, clock_timestamp())
       and o.start_date <= p_to and o.free_from > p_from
  )
  select jsonb_build_object('dyno_id', d.id, 'dyno_name', d.name, 'from', p_from, 'to', p_to,
    'items', coalesce((
      select jsonb_agg(jsonb_build_object('kind', o.kind, 'free_from', o.free_from, 'start_date', o.start_date, 'end_date', o.end_date,
                 'allocation_id', case when o.kind = 'allocation' then o.id end, 'window_id', case when o.kind = 'maintenance' then o.id end,
                 'status', o.status, 'vehicle_id', o.vehicle_id, 'vin', v.vin, 'test_type', o.test_type, 'reason', o.reason)
               order by o.start_date)
        from taken o left join vehicles v on v.id = o.vehicle_id), '[]'),
    'free', coalesce((
      select jsonb_agg(jsonb_build_object('start_date', lower(r), 'end_date', upper(r) - 1) order by r)
        from unnest(case when d.enabled
               then datemultirange(daterange(greatest(p_from, d.available_from), greatest(least(p_to, d.available_to) + 1,
                                                                                          greatest(p_from, d.available_from)))) end
                    - coalesce((select range_agg(daterange(o.start_date, o.free_from)) from taken o), '{}')) r), '[]'))
    from dynos d where d.id = p_dyno
$$;

-- What was held counts from when it was confirmed; a hold that never was, never.
create function since(p_created_at timestamptz, p_committed_at timestamptz) returns timestamptz language sql immutable
  return coalesce(p_committed_at, p_created_at);

create function longest_hold() returns interval language sql immutable return interval '7 days';

create or replace function is_kept(p_status text, p_created_at timestamptz, p_cancelled_at timestamptz) returns boolean
  language sql immutable
  return p_status in ('scheduled', 'in_progress', 'completed')
      or (p_status = 'cancelled' and p_cancelled_at >= p_created_at + interval '24 hours');

-- What was moved later was asked for on another day than the one it is on.
create or replace function made_way(o occupancies) returns boolean language sql stable begin atomic
  select exists (
    select from vehicles v, dynos d
     cross join lateral unfit(d, o.test_type, v.drive_type, v.weight_class, coalesce(o.asked_date, o.start_date - o.shift_days),
                              coalesce(o.asked_date, o.start_date - o.shift_days) + (o.end_date - o.start_date)) u
     where v.id = o.vehicle_id and u.reason is null);
end;

drop index bookings_by_time, bookings_by_person;
create index bookings_by_time on occupancies (created_at) include (status, cancelled_at, booked_by, committed_at) where kind = 'allocation';
create index bookings_by_person on occupancies (booked_by, created_at) include (status, cancelled_at, committed_at) where kind = 'allocation';

-- The days that are not closed, counted from what happened. Only those with anything.
create or replace function open_days(p_zone text, p_from date, p_to date)
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
      select (since(o.created_at, o.committed_at) at time zone p_zone)::date as day,
             count(*) filter (where is_kept(o.status, since(o.created_at, o.committed_at), o.cancelled_at)) as kept,
             count(*) filter (where o.status = 'cancelled'
                                and not is_kept(o.status, since(o.created_at, o.committed_at), o.cancelled_at)) as cancelled_early,
             count(*) filter (where o.shift_days > 0 and made_way(o)) as replaced,
             0 as refused, 0 as refused_conflicts, 0 as placed_calls, null::double precision as placed_ms
        from bounds b, occupancies o
       where o.kind = 'allocation' and o.created_at >= b.since - longest_hold() and o.created_at < b.until
         and o.committed_at is distinct from 'infinity'
         and (since(o.created_at, o.committed_at) at time zone p_zone)::date between b.first_day and b.last_day
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

-- Who uses the service: people enrolled at a moment, those of them with a kept booking since another, and anybody with one.
create or replace function people(p_since timestamptz, p_until timestamptz)
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
                    where o.kind = 'allocation' and o.booked_by = p.sub and o.created_at >= p_since - longest_hold()
                      and o.created_at < p_until
                      and since(o.created_at, o.committed_at) >= p_since and since(o.created_at, o.committed_at) < p_until
                      and is_kept(o.status, since(o.created_at, o.committed_at), o.cancelled_at))
  ), enrolled as materialized (
    select sub from users where enrolled_at < p_until and (left_at is null or left_at >= p_until)
  )
  select (select count(*) from enrolled), (select count(*) from enrolled join active using (sub)), (select count(*) from active)
$$;

-- All that the reports of a period are made of, as of one moment; see dyno.roi.facts.Facts. The month is that of monthly figures.
-- Conflicts are counted unless they just were.
create or replace function roi_facts(p_zone text, p_model text, p_kind text, p_from date, p_to date, p_month_from date, p_month_to date,
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
                     where o.kind = 'allocation' and o.created_at > p_now - interval '24 hours' - longest_hold()
                       and since(o.created_at, o.committed_at) > p_now - interval '24 hours'
                       and is_kept(o.status, since(o.created_at, o.committed_at), o.cancelled_at)
                       and (since(o.created_at, o.committed_at) at time zone p_zone)::date
                           between coalesce(p_from, '-infinity') and coalesce(p_to, 'infinity')),
    'conflicts', coalesce(p_conflicts, conflicts_now()),
    'people', (select to_jsonb(p) from people(p_active_since, p_active_until) p),
    'assumptions', (select jsonb_agg(assumptions_json(a) order by a.valid_from) from roi_assumptions a
                     where a.id in (select f.id from assumptions_in_force f)),
    'revisions', roi_revisions(p_kind, p_from, p_model),
    'digest', (select s.digest from stored s order by s.revision desc limit 1))
$$;

revoke execute on function refresh_order, answered, lapse, look_at_all, choose, book, change_allocation, close_dyno, reopen_dyno,
  availability, schedule from public;
grant execute on function book, change_allocation, close_dyno, reopen_dyno, availability, schedule to dyno_allocations;
