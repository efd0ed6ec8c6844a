-- PostgreSQL 16+. Sheets enrol people, and what a lab had booked comes back where it was, and as whose it was.

-- Book a vehicle onto a dyno and days that it has already, somewhere else: the days may have begun, if they are not over, and the test
-- with them. It is p_asked_by's if that is somebody who is enrolled and here, else p_actor's. What keeps a booking keeps this, but that
-- it is no attempt of anybody's: a refusal counts for nothing.
--
-- Gives {"outcome": …}: booked with the allocation, or bad_window, vehicle_not_found, vehicle_retired, dyno_not_found,
-- vehicle_already_allocated, no_dyno_available, contended; or lapsed: ask again.
create function carry_over(
  p_actor text, p_asked_by text, p_dyno integer, p_vin text, p_test text, p_start date, p_days integer, p_status text, p_work jsonb,
  p_zone text, p_horizon_days integer, p_max_days integer)
returns jsonb language plpgsql security definer set search_path = public, pg_temp as $$
declare
  today date := (clock_timestamp() at time zone p_zone)::date;
  whose text := coalesce((select u.sub from users u where u.sub = p_asked_by and u.enrolled_at is not null and u.left_at is null), p_actor);
  v record; c record; booked record;
begin
  if p_days not between 1 and p_max_days or p_start + p_days - 1 not between today and today + p_horizon_days
     or p_status not in ('scheduled', 'in_progress') or p_status = 'in_progress' and p_start > today then
    return jsonb_build_object('outcome', 'bad_window', 'today', today);
  end if;
  if not exists (select from dynos x where x.id = p_dyno) then return jsonb_build_object('outcome', 'dyno_not_found'); end if;

  for attempts in 1 .. 64 loop
    select x.id, x.vin, x.drive_type, x.weight_class, x.retired_at into v from vehicles x where x.vin = p_vin for key share;
    if not found then return jsonb_build_object('outcome', 'vehicle_not_found'); end if;
    if v.retired_at is not null then return jsonb_build_object('outcome', 'vehicle_retired', 'vin', v.vin); end if;
    c := choose(p_dyno, v.id, v.drive_type, v.weight_class, p_test, p_start, p_days, p_start, null);
    continue when c.again;
    if c.dyno_id is null then
      return jsonb_build_object('outcome', case when c.first_day is null then 'vehicle_already_allocated' else 'no_dyno_available' end);
    end if;
    insert into occupancies as x (kind, dyno_id, vehicle_id, test_type, start_date, end_date, turnaround_days, status, booked_by, work)
      values ('allocation', c.dyno_id, v.id, p_test, p_start, p_start + p_days - 1, c.turnaround_days, p_status, whose, p_work)
      on conflict do nothing returning x.id, allocation_json(x, c.dyno_name, v.vin) as allocation into booked;
    if found then
      insert into history (occupancy_id, action, actor, after) values (booked.id, 'book', p_actor, booked.allocation);
      return jsonb_build_object('outcome', 'booked', 'allocation', booked.allocation);
    end if;
    if lapse(c.dyno_id, v.id, p_start, p_start + p_days + c.turnaround_days, clock_timestamp()) > 0 then
      return jsonb_build_object('outcome', 'lapsed');
    end if;
  end loop;
  return jsonb_build_object('outcome', 'contended');
end $$;

grant execute on function carry_over, enrol to dyno_imports;
