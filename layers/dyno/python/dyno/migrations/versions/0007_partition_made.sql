-- PostgreSQL 16+. A partition that is there is not yet one that every session has heard of.

-- As before, but whoever finds the partition waits for its maker to let go of its lock. A commit is seen by others a moment
-- before they are told to look anew at what metrics consists of; a batch of that moment found no partition for its rows.
-- Held for no longer than it takes: whoever needs two months must not keep a share of the lock while it asks for all of it.
create or replace function create_metrics_partition(p_month date) returns boolean
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  maker constant bigint := hashtextextended('dyno metrics partitions', 0);
  first date := make_date(extract(year from p_month)::integer, extract(month from p_month)::integer, 1);
  partition text := 'metrics_' || to_char(first, 'YYYY_MM');
begin
  if to_regclass('public.' || partition) is not null then
    perform pg_advisory_lock_shared(maker);
    perform pg_advisory_unlock_shared(maker);
    return false;
  end if;
  perform pg_advisory_xact_lock(maker);
  if exists (select from pg_class where relname = partition and relnamespace = 'public'::regnamespace) then
    return false;                                               -- made while we waited; to_regclass would not have noticed
  end if;
  -- Made apart and attached: "create table … partition of" would lock out every reader and writer of metrics.
  execute format('create table public.%I (like public.metrics including defaults including constraints)', partition);
  execute format('alter table public.metrics attach partition public.%I for values from (%L) to (%L)', partition,
                 first::timestamp at time zone 'UTC', (first + interval '1 month') at time zone 'UTC');
  return true;
end $$;
