-- How many bookings each day keeps that is not closed: what open_days() says of it, without what only the reports ask for. It reads
-- bookings_by_time and nothing else, since it is asked with every batch of calls.
create function open_kept(p_zone text, p_from date, p_to date) returns table (day date, kept bigint)
language sql stable set search_path = pg_catalog, public, pg_temp as $$
  with open as materialized (
    select greatest(coalesce((select max(c.day) + 1 from allocation_days c where c.time_zone = p_zone), '-infinity'), p_from) as first_day
  )
  select (since(o.created_at, o.committed_at) at time zone p_zone)::date, count(*)
    from open b, occupancies o
   -- For the index, a day more at both ends, as in open_days().
   where o.kind = 'allocation' and o.created_at >= b.first_day::timestamp at time zone p_zone - interval '1 day' - longest_hold()
     and o.created_at < p_to::timestamp at time zone p_zone + interval '2 days'
     and o.committed_at is distinct from 'infinity'
     and (since(o.created_at, o.committed_at) at time zone p_zone)::date between b.first_day and p_to
     and is_kept(o.status, since(o.created_at, o.committed_at), o.cancelled_at)
   group by 1
$$;

create or replace function lab_month(p_zone text, p_now timestamptz)
returns table (active_users bigint, kept_allocations bigint, hours_saved numeric, cost_savings_usd numeric)
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
  with month as (
    select date_trunc('month', p_now at time zone p_zone)::date as first_day, (p_now at time zone p_zone)::date as today
  ), days as (
    select c.day, c.kept from month m join allocation_days c on c.time_zone = p_zone and c.day between m.first_day and m.today
    union all
    select k.day, k.kept from month m, open_kept(p_zone, m.first_day, m.today) k
  ), saved as (
    select a.id, sum(d.kept) as kept,
           sum(d.kept) * (a.assumptions #>> '{minutes_saved_per_allocation,mid}')::numeric
             * (a.assumptions ->> 'attribution_ratio')::numeric as minutes,
           (a.assumptions #>> '{hourly_rate_usd,mid}')::numeric as hourly_rate_usd
      from days d join assumptions_in_force a on d.day >= a.valid_from and d.day < a.valid_until
     group by a.id, a.assumptions
  )
  select (select active from people(p_now - interval '30 days', p_now)), coalesce(sum(kept), 0)::bigint,
         coalesce(sum(minutes), 0) / 60, coalesce(sum(round(minutes * hourly_rate_usd / 60, 2)), 0)
    from saved
$$;

revoke execute on function open_kept from public;
