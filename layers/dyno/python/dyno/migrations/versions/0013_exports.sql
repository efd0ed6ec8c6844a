-- PostgreSQL 16+. What is exported is read by a login of its own, and calendars are subscribed to by a token that can be revoked.

create table calendars (
  id integer generated always as identity primary key,
  token_hash bytea not null unique check (octet_length(token_hash) = 32),   -- SHA-256; the token itself is nowhere
  owner text not null,                                                      -- users.sub
  scope text not null check (scope in ('everything', 'dyno', 'vehicle', 'person')),
  dyno_id integer references dynos,
  vehicle_id integer references vehicles,
  booked_by text,                                                           -- users.sub
  created_at timestamptz not null default clock_timestamp(),
  last_used_at timestamptz,                                                 -- to a day: a read is to write nothing
  revoked_at timestamptz,
  constraint scope_is_complete check (
    (scope = 'dyno') = (dyno_id is not null) and (scope = 'vehicle') = (vehicle_id is not null)
    and (scope = 'person') = (booked_by is not null)));
create index calendars_of on calendars (owner, id);

-- All that is ever shown of them.
create view calendar_list as
  select id as calendar_id, owner, scope, dyno_id, vehicle_id, booked_by, created_at, last_used_at, revoked_at from calendars;

-- Gives {"outcome": …}: made with the calendar, or no_dyno, no_vehicle, too_many.
create function make_calendar(p_owner text, p_hash bytea, p_scope text, p_dyno_id integer, p_vehicle_id integer, p_booked_by text, p_most integer)
returns jsonb language plpgsql security definer set search_path = public, pg_temp as $$
declare
  made integer;
begin
  if p_dyno_id is not null and not exists (select from dynos d where d.id = p_dyno_id) then
    return jsonb_build_object('outcome', 'no_dyno');
  end if;
  if p_vehicle_id is not null and not exists (select from vehicles v where v.id = p_vehicle_id) then
    return jsonb_build_object('outcome', 'no_vehicle');
  end if;
  perform pg_advisory_xact_lock(hashtext('calendars'), hashtext(p_owner));  -- two at once would both be the last one
  if (select count(*) from calendars c where c.owner = p_owner and c.revoked_at is null) >= p_most then
    return jsonb_build_object('outcome', 'too_many');
  end if;
  insert into calendars (token_hash, owner, scope, dyno_id, vehicle_id, booked_by)
  values (p_hash, p_owner, p_scope, p_dyno_id, p_vehicle_id, p_booked_by) returning id into made;
  return jsonb_build_object('outcome', 'made', 'calendar', (select to_jsonb(l) from calendar_list l where l.calendar_id = made));
end $$;

-- Gives {"outcome": …}: revoked or unchanged with the calendar, or not_found, not_yours.
create function revoke_calendar(p_id integer, p_actor text, p_anybodys boolean) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  was calendars;
begin
  select * into was from calendars c where c.id = p_id for update;
  if not found then return jsonb_build_object('outcome', 'not_found'); end if;
  if not p_anybodys and was.owner <> p_actor then return jsonb_build_object('outcome', 'not_yours'); end if;
  update calendars c set revoked_at = clock_timestamp() where c.id = p_id and c.revoked_at is null;
  return jsonb_build_object('outcome', case when was.revoked_at is null then 'revoked' else 'unchanged' end,
                            'calendar', (select to_jsonb(l) from calendar_list l where l.calendar_id = p_id));
end $$;

-- What a token opens: null for one that nobody has, that was revoked, or whose owner has left, and not which of these.
create function open_calendar(p_hash bytea) returns jsonb
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
  select to_jsonb(l) || jsonb_build_object('unnoted', l.last_used_at is null or l.last_used_at < now() - interval '1 day')
    from calendars c join calendar_list l on l.calendar_id = c.id
   where c.token_hash = p_hash and c.revoked_at is null
     and not exists (select from users u where u.sub = c.owner and u.left_at is not null)
$$;

-- Note that a calendar is in use, once a day.
create function note_calendar(p_id integer) returns void
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
  update calendars c set last_used_at = now()
   where c.id = p_id and (c.last_used_at is null or c.last_used_at < now() - interval '1 day')
$$;

grant select on dynos, capabilities, vehicles, occupancies, history, calendar_list to dyno_exports;
grant execute on function make_calendar, revoke_calendar, open_calendar, note_calendar to dyno_exports;
