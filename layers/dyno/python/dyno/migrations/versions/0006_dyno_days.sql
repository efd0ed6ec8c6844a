-- PostgreSQL 16+. How many days of dynos were booked, and how many could have been.

-- How many days two spans share; an end that is null is open.
create function shared_days(p_from date, p_to date, p_first date, p_last date) returns integer language sql immutable
  return case when greatest(p_from, p_first) <= least(p_to, p_last)
              then least(p_to, p_last) - greatest(p_from, p_first) + 1 else 0 end;

-- On how many days of a span a dyno is there to be booked, by what is said of it now: nothing keeps what was said before.
create function days_there(d dynos, p_from date, p_to date) returns integer language sql stable
  return case when d.enabled then shared_days(p_from, p_to, d.available_from, d.available_to) else 0 end;

-- Days of dynos in a period: those with a booking, and those on which there could have been one. The latter are those on which the
-- dyno is there and nothing else takes it, and those with a booking whatever is said of the dyno now, so that there are never more of
-- the former. A turnaround takes no day. Days that are not over count in neither. One row, or none of a period without a first day.
create function dyno_days(p_zone text, p_from date, p_to date, p_now timestamptz)
returns table (used bigint, available bigint)
language sql stable set search_path = pg_catalog, public, pg_temp as $$
  select coalesce(sum(taken.booked), 0)::bigint,
         coalesce(sum(days_there(d, p_from, period.last_day) - taken.there + taken.booked), 0)::bigint
    from (select least(p_to, (p_now at time zone p_zone)::date - 1) as last_day) period
   cross join dynos d
   cross join lateral (
     select coalesce(sum(each.days) filter (where each.kind = 'allocation'), 0) as booked, coalesce(sum(each.there), 0) as there
       from (select o.kind, shared_days(p_from, period.last_day, o.start_date, o.end_date) as days,
                    days_there(d, greatest(p_from, o.start_date), least(period.last_day, o.end_date)) as there
               from (select * from occupancies x
                      where x.dyno_id = d.id and x.occupies and x.start_date between p_from and period.last_day
                     union all
                     -- They never overlap, so of those that began before, only the last can still be there.
                     (select * from occupancies x where x.dyno_id = d.id and x.occupies and x.start_date < p_from
                       order by x.start_date desc limit 1)) o
              where is_live(o.status, o.expires_at, p_now)) each) taken
  having p_from is not null
$$;

revoke execute on function dyno_days from public;
grant execute on function dyno_days to dyno_roi;
