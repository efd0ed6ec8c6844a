-- PostgreSQL 16+. Notices: what befell a booking is to be told to whoever asked for it. Written by whatever changes a booking, in its
-- transaction, by way of its history: what is undone is not told, and nothing that is done is left out.

-- What is told stands in history, and in no second place that an erasure would have to find.
create table notices (
  history_id bigint primary key references history on delete cascade,
  kind text not null check (kind in ('moved', 'displaced', 'cancelled', 'lapsed')),
  correlation_id text,                                          -- of the request that did it, if one did
  claimed_until timestamptz,                                    -- somebody is sending it; if they die, somebody else does from then on
  sent_at timestamptz,
  constraint sent_by_nobody_any_more check (sent_at is null or claimed_until is null));
create index notices_waiting on notices (history_id) where sent_at is null;

create function note_change() returns trigger language plpgsql set search_path = pg_catalog, public, pg_temp as $$
begin
  insert into notices (history_id, kind, correlation_id)
    values (new.id, case new.action when 'cancel' then 'cancelled' when 'lapse' then 'lapsed' when 'displace' then 'displaced'
                                    else 'moved' end,
            nullif(current_setting('dyno.correlation_id', true), ''));
  raise notice using errcode = 'DY010', message = 'a notice waits';  -- comes with the answer, so that nobody has to ask
  return null;
end $$;
-- A booking made is no news to who made it, nor that a test is over.
create trigger noticed after insert on history for each row
  when (new.action in ('cancel', 'lapse', 'displace')
        or new.action in ('move', 'confirm', 'step') and new.after ->> 'status' <> 'completed'
           and (new.before -> 'dyno_id', new.before -> 'start_date', new.before -> 'end_date')
               is distinct from (new.after -> 'dyno_id', new.after -> 'start_date', new.after -> 'end_date'))
  execute function note_change();

-- The dyno and the days that a booking had, or has. Null of one that has none any more.
create function place_json(p_booking jsonb) returns jsonb language sql immutable
  return case when p_booking ->> 'status' in ('held', 'scheduled', 'in_progress') then jsonb_build_object(
    'dyno_id', p_booking -> 'dyno_id', 'dyno_name', p_booking -> 'dyno_name',
    'start_date', p_booking -> 'start_date', 'end_date', p_booking -> 'end_date') end;

-- Note what was sent, take back what could not be, and hand out what waits, at most p_most, oldest first: to nobody else for p_for.
create function hand_out_notices(p_sent bigint[], p_unsent bigint[], p_most integer, p_for interval) returns jsonb
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare handed_out jsonb;
begin
  perform from notices n where n.history_id = any (p_sent || p_unsent) order by n.history_id for update;
  update notices n set sent_at = clock_timestamp(), claimed_until = null where n.history_id = any (p_sent) and n.sent_at is null;
  update notices n set claimed_until = null where n.history_id = any (p_unsent);
  with free as materialized (
    select n.history_id from notices n
     where n.sent_at is null and (n.claimed_until is null or n.claimed_until <= clock_timestamp())
     order by n.history_id limit p_most for update skip locked
  ), claimed as (
    update notices n set claimed_until = clock_timestamp() + p_for from free where n.history_id = free.history_id returning n.*
  )
  select jsonb_agg(jsonb_build_object(
           'notice_id', h.id, 'kind', c.kind, 'allocation_id', h.occupancy_id, 'version', h.after -> 'version', 'vin', h.after -> 'vin',
           'test_type', h.after -> 'test_type', 'status', h.after -> 'status', 'owner', h.after -> 'booked_by', 'actor', h.actor,
           'before', place_json(h.before), 'after', place_json(h.after),
           'occurred_at', h.at, 'correlation_id', c.correlation_id) order by h.id)
    into handed_out from claimed c join history h on h.id = c.history_id;
  return coalesce(handed_out, '[]');
end $$;

-- Somebody whom an admin has disabled: their token is good for a day, and every door asks the database whether it still does.
alter table users add column disabled_at timestamptz;

create or replace function user_json(u users) returns jsonb language sql stable
  return jsonb_build_object('user_id', u.id, 'sub', u.sub, 'role', u.role, 'enrolled_at', u.enrolled_at, 'left_at', u.left_at,
                            'disabled_at', u.disabled_at, 'version', u.version);

-- Whether somebody is admitted; asked in one breath with the first statement of a request, which is passed over if they are not.
create function admit(p_sub text) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  if exists (select from users u where u.sub = p_sub and u.disabled_at is not null) then
    raise exception using errcode = 'DY403', message = 'disabled';
  end if;
  return true;
end $$;

revoke execute on function note_change, place_json, hand_out_notices, admit from public;
grant execute on function admit to dyno_allocations, dyno_metrics, dyno_roi;
grant execute on function hand_out_notices to dyno_notices;
