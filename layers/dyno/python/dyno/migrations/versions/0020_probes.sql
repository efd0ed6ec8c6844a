-- PostgreSQL 16+. What booking and refusing ask most often costs less. What is said stays the same.

drop function why_not(dynos, text, text, text, date, date, timestamptz, bigint);
drop function in_the_way(integer, date, date, smallint, timestamptz, bigint);
drop function vehicle_in_the_way(integer, date, date, timestamptz, bigint);

-- The occupancy that keeps a window off a dyno, the dyno's own turnaround behind the window included. At most one row.
-- It is the last that starts before the window is over. An index is read by the page, and a page has half a year of a dyno's past: so
-- what started lately is asked for first, which is a few entries, and only where there is none what is longer ago. Columns that nobody
-- needs would cost more than the search, for every plan has them.
create function in_the_way(p_dyno integer, p_start date, p_end date, p_turnaround smallint, p_at timestamptz, p_except bigint)
returns table (id bigint, kind text, status text, start_date date, end_date date, free_from date) language sql stable begin atomic
  select o.* from (
    (select x.id, x.kind, x.status, x.start_date, x.end_date, x.free_from from occupancies x
      where x.dyno_id = p_dyno and x.occupies and is_live(x.expires_at, p_at) and x.id is distinct from p_except
        and x.start_date < p_end + 1 + p_turnaround and x.start_date >= p_start - 14
      order by x.start_date desc limit 1)
    union all
    (select x.id, x.kind, x.status, x.start_date, x.end_date, x.free_from from occupancies x
      where x.dyno_id = p_dyno and x.occupies and is_live(x.expires_at, p_at) and x.id is distinct from p_except
        and x.start_date < p_start - 14
      order by x.start_date desc limit 1)
     limit 1) o
   where o.free_from > p_start;
end;

-- The booking that keeps a vehicle off a window. At most one row.
create function vehicle_in_the_way(p_vehicle integer, p_start date, p_end date, p_at timestamptz, p_except bigint)
returns table (start_date date, end_date date) language sql stable begin atomic
  select o.* from (
    select x.start_date, x.end_date from occupancies x
     where x.vehicle_id = p_vehicle and x.occupies and is_live(x.expires_at, p_at) and x.id is distinct from p_except
       and x.start_date <= p_end
     order by x.start_date desc limit 1) o
   where o.end_date >= p_start;
end;

-- What the API says of a dyno that cannot take a window, as JSON without nulls. Mostly somebody else's booking is why, and then nothing
-- is null: to take nulls out takes as long as to make it.
create type rejection_for_booking as (dyno_id integer, dyno_name text, reason text, allocation_id bigint, free_from date);
create function rejection_json(p_dyno integer, p_name text, p_reason text, p_kind text, p_occupancy bigint, p_free_from date)
returns json language sql stable
  return case when p_kind = 'allocation'
    then row_to_json(row(p_dyno, p_name, p_reason, p_occupancy, p_free_from)::rejection_for_booking)
    else json_strip_nulls(row_to_json(rejection(p_dyno, p_name, p_reason, p_kind, p_occupancy, p_free_from))) end;

-- Whether something was there before is all that the trigger asks: a condition is parsed for every row that is written, and most are
-- bookings made. The rest is asked by its function, see 0020_probes.py.
drop trigger noticed on history;
create trigger noticed after insert on history for each row when (new.before is not null) execute function note_change();
