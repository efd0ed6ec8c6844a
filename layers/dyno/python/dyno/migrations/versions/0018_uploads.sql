-- PostgreSQL 16+. Files that are too large for a request are uploaded and imported when they are there; meanwhile, and for a month, it is
-- known how far that has come.

create table import_jobs (
  id integer generated always as identity primary key,
  owner text not null,                                          -- users.sub
  role text not null,                                           -- theirs when they asked
  wanted jsonb not null,                                        -- as it was asked; see dyno.imports.jobs_model.NewUpload
  correlation_id text,
  created_at timestamptz not null default clock_timestamp(),
  upload_until timestamptz not null,
  status text not null default 'awaiting_upload' check (status in ('awaiting_upload', 'running', 'succeeded', 'failed')),
  run text,                                                     -- of whoever imports it, or did
  runs integer not null default 0,
  run_until timestamptz,                                        -- if nothing was heard until then, nothing will be
  begun_at timestamptz,
  finished_at timestamptz,
  rows_done integer not null default 0,
  rows_total integer,
  result jsonb,                                                 -- what the report says but for its rows, or the problem
  constraint over_when_it_is check ((status in ('succeeded', 'failed')) = (finished_at is not null)));

-- All that is shown of one. Of a file that was not sent, or of whoever died importing it, nobody says so but the clock.
create function import_json(j import_jobs) returns jsonb language sql stable
  return jsonb_build_object(
    'import_id', j.id, 'owner', j.owner, 'role', j.role, 'wanted', j.wanted, 'correlation_id', j.correlation_id,
    'created_at', j.created_at, 'upload_until', j.upload_until, 'begun_at', j.begun_at, 'finished_at', j.finished_at, 'runs', j.runs,
    'rows_done', j.rows_done, 'rows_total', j.rows_total, 'result', j.result,
    'status', case when j.status = 'awaiting_upload' and j.upload_until + interval '1 hour' < clock_timestamp() then 'expired'
                   when j.status = 'running' and j.run_until < clock_timestamp() then 'interrupted'
                   else j.status end);

create function announce_import(p_owner text, p_role text, p_wanted jsonb, p_correlation_id text, p_for interval) returns jsonb
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
  insert into import_jobs as j (owner, role, wanted, correlation_id, upload_until)
  values (p_owner, p_role, p_wanted, p_correlation_id, clock_timestamp() + p_for) returning import_json(j)
$$;

-- Null: there is none.
create function import_job(p_id integer) returns jsonb
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
  select import_json(j) from import_jobs j where j.id = p_id
$$;

-- Whoever finds a file there imports it, unless somebody does; who died doing so is not waited for longer than they could have taken.
-- The same run may begin again.
--
-- Gives {"outcome": …}: begun with the import, or not_found, running, over.
create function begin_import(p_id integer, p_run text, p_for interval) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare j import_jobs;
begin
  select * into j from import_jobs x where x.id = p_id for update;
  if not found then return jsonb_build_object('outcome', 'not_found'); end if;
  if j.finished_at is not null then return jsonb_build_object('outcome', 'over'); end if;
  if j.status = 'running' and j.run <> p_run and j.run_until > clock_timestamp() then
    return jsonb_build_object('outcome', 'running');
  end if;
  update import_jobs x
     set status = 'running', run = p_run, runs = x.runs + 1, run_until = clock_timestamp() + p_for,
         begun_at = coalesce(x.begun_at, clock_timestamp()), rows_done = 0, rows_total = null
   where x.id = p_id returning * into j;
  return jsonb_build_object('outcome', 'begun', 'import', import_json(j));
end $$;

-- How far a run has come; of one that is over, or not this one's any more, nothing changes.
create function note_import(p_id integer, p_run text, p_done integer, p_total integer) returns void
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
  update import_jobs j set rows_done = p_done, rows_total = p_total where j.id = p_id and j.status = 'running' and j.run = p_run
$$;

-- What came of it. False: it is not this run's any more, or nothing succeeds that is whose was disabled meanwhile.
create function end_import(p_id integer, p_run text, p_status text, p_result jsonb, p_done integer, p_total integer) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  update import_jobs j
     set status = p_status, result = p_result, finished_at = clock_timestamp(), rows_done = p_done, rows_total = p_total
   where j.id = p_id and j.status = 'running' and j.run = p_run
     and (p_status <> 'succeeded' or not exists (select from users u where u.sub = j.owner and u.disabled_at is not null));
  return found;
end $$;

revoke execute on function import_json, announce_import, import_job, begin_import, note_import, end_import from public;
grant execute on function announce_import, import_job to dyno_imports;
grant execute on function begin_import, note_import, end_import, plan_alone, create_vehicle, change_vehicle, create_dyno, change_dyno,
  close_dyno, book, carry_over, place_all, remember_request, enrol, admit to dyno_import_jobs;
grant select on dynos, capabilities, vehicles, occupancies, imported_requests to dyno_import_jobs;
