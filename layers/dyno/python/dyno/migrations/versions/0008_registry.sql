-- PostgreSQL 16+. The registry: vehicles and dynos are made, changed and retired by whoever manages them, and it is noted who did it.

-- What is retired keeps its row and its bookings; it takes no new ones.
alter table vehicles add column retired_at timestamptz;
alter table dynos
  add column retired_at timestamptz,
  add constraint the_retired_are_disabled check (retired_at is null or not enabled);

-- A vin is looked up in capital letters. Vehicles whose vins differ in nothing else keep them: they are found by their id, to be retired.
update vehicles v set vin = upper(btrim(v.vin)), version = v.version + 1
 where v.vin <> upper(btrim(v.vin))
   and not exists (select from vehicles x where x.id <> v.id and upper(btrim(x.vin)) = upper(btrim(v.vin)));

create table registry_history (
  id bigint generated always as identity primary key,
  kind text not null check (kind in ('vehicle', 'dyno')),
  thing_id integer not null,                                    -- of that kind
  actor text not null,                                          -- users.sub
  at timestamptz not null default clock_timestamp(),
  action text not null check (action in ('create', 'change', 'retire', 'restore')),
  before jsonb,
  after jsonb not null,
  constraint only_what_is_new_was_nothing check ((action = 'create') = (before is null)));
create index registry_history_of on registry_history (kind, thing_id, id);

-- What the API says of a vehicle, and of a dyno.

create function vehicle_json(v vehicles) returns jsonb language sql stable
  return jsonb_build_object('vehicle_id', v.id) || (to_jsonb(v) - 'id');

create function dyno_json(d dynos) returns jsonb language sql stable
  return jsonb_build_object('dyno_id', d.id) || (to_jsonb(d) - 'id') || jsonb_build_object('capabilities',
    (select coalesce(jsonb_agg(jsonb_build_object('test_type', c.test_type, 'drive_type', c.drive_type, 'weight_class', c.weight_class)
                               order by c.test_type, c.drive_type, c.weight_class), '[]')
       from capabilities c where c.dyno_id = d.id));

create function note_registry(p_kind text, p_id integer, p_actor text, p_before jsonb, p_after jsonb) returns void
language sql as $$
  insert into registry_history (kind, thing_id, actor, action, before, after)
  select p_kind, p_id, p_actor,
         case when p_before is null then 'create'
              when (p_before ->> 'retired_at' is null) = (p_after ->> 'retired_at' is null) then 'change'
              when p_before ->> 'retired_at' is null then 'retire'
              else 'restore' end,
         p_before, p_after
$$;

-- Since when something is retired, if `retired` is to be what is wanted; null leaves it as it was.
create function retired_since(p_was timestamptz, p_wanted jsonb) returns timestamptz language sql stable
  return case p_wanted when 'true' then coalesce(p_was, statement_timestamp()) when 'false' then null else p_was end;

-- Bookings of a dyno or of a vehicle that have yet to end and that what is said of the two now does not admit: the rule that let
-- them be booked, read again.
create function stranded(p_dyno integer, p_vehicle integer, p_zone text, p_at timestamptz)
returns table (allocation_id bigint, vehicle_id integer, vin text, dyno_id integer, dyno_name text, start_date date, end_date date,
               status text, reason text)
language sql stable set search_path = public, pg_temp as $$
  select o.id, v.id, v.vin, d.id, d.name, o.start_date, o.end_date, o.status,
         case when v.retired_at is not null then 'vehicle_retired' else u.reason end
    from occupancies o
    join dynos d on d.id = o.dyno_id
    join vehicles v on v.id = o.vehicle_id
   cross join lateral unfit(d, o.test_type, v.drive_type, v.weight_class, o.start_date, o.end_date) u
   where (o.dyno_id = p_dyno or o.vehicle_id = p_vehicle) and o.occupies and is_live(o.status, o.expires_at, p_at)
     and o.status <> 'completed' and o.end_date >= (p_at at time zone p_zone)::date
     and (v.retired_at is not null or u.reason is not null)
$$;

-- Those of them that were not stranded before.
create function newly_stranded(p_dyno integer, p_vehicle integer, p_zone text, p_at timestamptz, p_before bigint[]) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  select jsonb_agg(to_jsonb(s) order by s.start_date, s.allocation_id) from stranded(p_dyno, p_vehicle, p_zone, p_at) s
   where s.allocation_id <> all (p_before)
$$;

-- As before, but a dyno that can run nothing, or nothing that there is, counts as 0 and not as 1 or as what it was.
create or replace function refresh_breadth() returns void language sql as $$
  update dynos d set breadth = counted.breadth, version = d.version + 1
    from (select d2.id, count(distinct (t.test_type, dr.drive_type, w.weight_class)) filter (where t.test_type is not null) as breadth
            from dynos d2
            left join capabilities c on c.dyno_id = d2.id
            left join (select distinct test_type from capabilities where test_type <> 'any') t on c.test_type in (t.test_type, 'any')
            left join (values ('2WD'), ('AWD')) dr (drive_type) on c.drive_type in (dr.drive_type, 'any')
            left join (values ('<10K'), ('>10K')) w (weight_class) on c.weight_class in (w.weight_class, 'any')
           group by d2.id) counted
   where counted.id = d.id and counted.breadth <> d.breadth
$$;

create function set_capabilities(p_dyno integer, p_lines jsonb) returns void language sql as $$
  delete from capabilities c where c.dyno_id = p_dyno;
  insert into capabilities (dyno_id, test_type, drive_type, weight_class)
  select p_dyno, l.test_type, l.drive_type, l.weight_class
    from jsonb_to_recordset(p_lines) l (test_type text, drive_type text, weight_class text);
  select refresh_breadth();
$$;

-- Whoever changes what others go by (days that are taken, dynos, vehicles) and could wait for two things does it alone. Bookings go
-- on beside it: they wait for nothing while somebody could be waiting for them.
create function plan_alone() returns void language sql as $$
  select pg_advisory_xact_lock(hashtextextended('dyno planning', 0))
$$;

-- Writing. Whoever changes what a booking was made by takes its row FOR UPDATE, which waits for bookings in flight, when nothing
-- else is left to wait for; and only then looks for what would be stranded. A booking that comes later finds the row locked or changed.

-- Give {"outcome": …}: created with the vehicle (replayed: true if the key had done it before), or key_reused, or exists with the
-- vehicle there is.
create function create_vehicle(p_owner text, p_route text, p_key text, p_hash bytea, p_vehicle jsonb)
returns jsonb language plpgsql security definer set search_path = public, pg_temp as $$
declare
  answer jsonb := remembered_answer(p_owner, p_route, p_key, p_hash);
  v vehicles := jsonb_populate_record(null::vehicles, p_vehicle);
begin
  if answer is not null then return answer; end if;
  insert into vehicles as x (vin, weight_lbs, drive_type, program, build_id, cert_team, engine, build_type)
    values (v.vin, v.weight_lbs, v.drive_type, v.program, v.build_id, v.cert_team, v.engine, v.build_type)
    on conflict (vin) do nothing returning * into v;
  if not found then
    select * into v from vehicles x where x.vin = p_vehicle ->> 'vin';
    return jsonb_build_object('outcome', 'exists', 'vehicle', vehicle_json(v));
  end if;
  answer := jsonb_build_object('outcome', 'created', 'vehicle', vehicle_json(v));
  perform note_registry('vehicle', v.id, p_owner, null, answer -> 'vehicle');
  perform remember_answer(p_owner, p_route, p_key, p_hash, answer);
  return answer;
end $$;

-- The same of a dyno; its breadth, and that of others if it brings a test that nobody ran, is counted.
create function create_dyno(p_owner text, p_route text, p_key text, p_hash bytea, p_dyno jsonb)
returns jsonb language plpgsql security definer set search_path = public, pg_temp as $$
declare
  answer jsonb := remembered_answer(p_owner, p_route, p_key, p_hash);
  d dynos := jsonb_populate_record(null::dynos, p_dyno);
begin
  if answer is not null then return answer; end if;
  perform plan_alone();
  insert into dynos as x (name, facility, enabled, available_from, available_to, turnaround_days)
    values (d.name, d.facility, d.enabled, d.available_from, d.available_to, d.turnaround_days)
    on conflict (name) do nothing returning * into d;
  if not found then
    select * into d from dynos x where x.name = p_dyno ->> 'name';
    return jsonb_build_object('outcome', 'exists', 'dyno', dyno_json(d));
  end if;
  perform set_capabilities(d.id, p_dyno -> 'capabilities');
  update dynos x set version = 1 where x.id = d.id returning * into d;      -- counting its breadth is part of making it
  answer := jsonb_build_object('outcome', 'created', 'dyno', dyno_json(d));
  perform note_registry('dyno', d.id, p_owner, null, answer -> 'dyno');
  perform remember_answer(p_owner, p_route, p_key, p_hash, answer);
  return answer;
end $$;

-- Change a vehicle in whatever p_changes names, `retired` included. Gives {"outcome": …}: changed or unchanged with the vehicle, or
-- not_found, stale, or stranded with the bookings that would be; then nothing is changed.
create function change_vehicle(p_actor text, p_id integer, p_version integer, p_changes jsonb, p_zone text)
returns jsonb language plpgsql security definer set search_path = public, pg_temp as $$
declare was vehicles; v vehicles; at timestamptz; before bigint[]; left_behind jsonb;
begin
  perform plan_alone();
  select * into was from vehicles x where x.id = p_id for update;
  if not found then return jsonb_build_object('outcome', 'not_found'); end if;
  if was.version <> p_version then return jsonb_build_object('outcome', 'stale', 'vehicle', vehicle_json(was)); end if;
  v := jsonb_populate_record(was, p_changes);
  v.retired_at := retired_since(was.retired_at, p_changes -> 'retired');
  if v is not distinct from was then return jsonb_build_object('outcome', 'unchanged', 'vehicle', vehicle_json(was)); end if;

  at := clock_timestamp();
  before := array(select s.allocation_id from stranded(null, p_id, p_zone, at) s);
  begin
    update vehicles x
       set weight_lbs = v.weight_lbs, drive_type = v.drive_type, program = v.program, build_id = v.build_id, cert_team = v.cert_team,
           engine = v.engine, build_type = v.build_type, retired_at = v.retired_at, version = x.version + 1
     where x.id = p_id returning * into v;
    left_behind := newly_stranded(null, p_id, p_zone, at, before);
    if left_behind is not null then raise exception using errcode = 'DY001'; end if;
  exception when sqlstate 'DY001' then                            -- the change is undone, the locks stay
    return jsonb_build_object('outcome', 'stranded', 'stranded', left_behind);
  end;
  perform note_registry('vehicle', p_id, p_actor, vehicle_json(was), vehicle_json(v));
  return jsonb_build_object('outcome', 'changed', 'vehicle', vehicle_json(v));
end $$;

-- The same of a dyno; `capabilities` takes the place of all there were. Gives also: exists with the dyno that has the name, retired
-- if what is retired were enabled, not_in_order of days it would be available from and to; each with the dyno.
create function change_dyno(p_actor text, p_id integer, p_version integer, p_changes jsonb, p_zone text)
returns jsonb language plpgsql security definer set search_path = public, pg_temp as $$
declare
  was dynos; d dynos; other dynos; at timestamptz; was_said jsonb; before bigint[]; left_behind jsonb;
  lines jsonb := p_changes -> 'capabilities';
begin
  perform plan_alone();
  select * into was from dynos x where x.id = p_id for no key update;
  if not found then return jsonb_build_object('outcome', 'not_found'); end if;
  was_said := dyno_json(was);
  if was.version <> p_version then return jsonb_build_object('outcome', 'stale', 'dyno', was_said); end if;
  d := jsonb_populate_record(was, p_changes);
  d.retired_at := retired_since(was.retired_at, p_changes -> 'retired');
  if d.retired_at is not null and was.retired_at is null and not p_changes ? 'enabled' then d.enabled := false; end if;
  if d.retired_at is not null and d.enabled then return jsonb_build_object('outcome', 'retired', 'dyno', was_said); end if;
  if d.available_from > d.available_to then return jsonb_build_object('outcome', 'not_in_order', 'dyno', dyno_json(d)); end if;
  select * into other from dynos x where x.name = d.name and x.id <> p_id;
  if found then return jsonb_build_object('outcome', 'exists', 'dyno', dyno_json(other)); end if;
  if lines <@ (was_said -> 'capabilities') and lines @> (was_said -> 'capabilities') then lines := null; end if;   -- as sets
  if d is not distinct from was and lines is null then
    return jsonb_build_object('outcome', 'unchanged', 'dyno', was_said);
  end if;

  at := clock_timestamp();
  before := array(select s.allocation_id from stranded(p_id, null, p_zone, at) s);
  begin
    if lines is not null then perform set_capabilities(p_id, lines); end if;
    update dynos x
       set name = d.name, facility = d.facility, enabled = d.enabled, available_from = d.available_from,
           available_to = d.available_to, turnaround_days = d.turnaround_days, retired_at = d.retired_at, version = p_version + 1
     where x.id = p_id returning * into d;
    perform from dynos x where x.id = p_id for update;
    left_behind := newly_stranded(p_id, null, p_zone, at, before);
    if left_behind is not null then raise exception using errcode = 'DY001'; end if;
  exception when sqlstate 'DY001' then
    return jsonb_build_object('outcome', 'stranded', 'stranded', left_behind);
  end;
  perform note_registry('dyno', p_id, p_actor, was_said, dyno_json(d));
  return jsonb_build_object('outcome', 'changed', 'dyno', dyno_json(d));
end $$;

revoke execute on function plan_alone, note_registry, set_capabilities, stranded, newly_stranded, create_vehicle, create_dyno, change_vehicle,
  change_dyno from public;
grant execute on function create_vehicle, create_dyno, change_vehicle, change_dyno to dyno_allocations;
