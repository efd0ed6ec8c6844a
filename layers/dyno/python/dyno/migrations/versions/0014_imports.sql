-- PostgreSQL 16+. Sheets are imported: what is in them is written by the functions that serve the API, as one login more; and of each
-- request it is remembered what became of it, so that a sheet that comes again books nothing twice.

create table imported_requests (
  identity bytea primary key,                                   -- a digest of what is wanted; see dyno.imports.identity
  allocation_id bigint references occupancies,                  -- null: it was refused, and that was counted
  imported_at timestamptz not null default clock_timestamp());

-- What became of a request; one that was refused before may have been booked since, and not the other way round.
create function remember_request(p_identity bytea, p_allocation bigint) returns void
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
  insert into imported_requests (identity, allocation_id) values (p_identity, p_allocation)
      on conflict (identity) do update set allocation_id = excluded.allocation_id, imported_at = clock_timestamp()
                                     where imported_requests.allocation_id is null and excluded.allocation_id is not null
$$;

grant execute on function plan_alone, create_vehicle, change_vehicle, create_dyno, change_dyno, close_dyno, book, remember_request, admit
  to dyno_imports;
grant select on dynos, capabilities, vehicles, occupancies, imported_requests to dyno_imports;
