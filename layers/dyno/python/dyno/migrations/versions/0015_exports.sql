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
create function calendar_json(c calendars) returns jsonb language sql stable
  return jsonb_build_object('calendar_id', c.id) || (to_jsonb(c) - 'id' - 'token_hash');

-- Somebody's, or everybody's, in order of id.
create function calendars_of(p_owner text, p_after bigint, p_most integer) returns setof jsonb
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
  select calendar_json(c) from calendars c
   where c.id > p_after and (p_owner is null or c.owner = p_owner) order by c.id limit p_most
$$;

-- Gives {"outcome": …}: made with the calendar, or no_dyno, no_vehicle, too_many.
create function make_calendar(p_owner text, p_hash bytea, p_scope text, p_dyno_id integer, p_vehicle_id integer, p_booked_by text, p_most integer)
returns jsonb language plpgsql security definer set search_path = public, pg_temp as $$
declare
  made calendars;
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
  values (p_hash, p_owner, p_scope, p_dyno_id, p_vehicle_id, p_booked_by) returning * into made;
  return jsonb_build_object('outcome', 'made', 'calendar', calendar_json(made));
end $$;

-- Gives {"outcome": …}: revoked or unchanged with the calendar, or not_found, not_yours.
create function revoke_calendar(p_id integer, p_actor text, p_anybodys boolean) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  was calendars; is_now calendars;
begin
  select * into was from calendars c where c.id = p_id for update;
  if not found then return jsonb_build_object('outcome', 'not_found'); end if;
  if not p_anybodys and was.owner <> p_actor then return jsonb_build_object('outcome', 'not_yours'); end if;
  update calendars c set revoked_at = coalesce(c.revoked_at, clock_timestamp()) where c.id = p_id returning * into is_now;
  return jsonb_build_object('outcome', case when was.revoked_at is null then 'revoked' else 'unchanged' end,
                            'calendar', calendar_json(is_now));
end $$;

-- What a token opens: null for one that nobody has, that was revoked, or whose owner has left or is disabled, and not which.
create function open_calendar(p_hash bytea) returns jsonb
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
  select calendar_json(c) || jsonb_build_object('unnoted', c.last_used_at is null or c.last_used_at < now() - interval '1 day')
    from calendars c
   where c.token_hash = p_hash and c.revoked_at is null
     and not exists (select from users u where u.sub = c.owner and (u.left_at is not null or u.disabled_at is not null))
$$;

-- Note that a calendar is in use, once a day.
create function note_calendar(p_id integer) returns void
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
  update calendars c set last_used_at = now()
   where c.id = p_id and (c.last_used_at is null or c.last_used_at < now() - interval '1 day')
$$;

grant select on dynos, capabilities, vehicles, occupancies, history to dyno_exports;
grant execute on function make_calendar, calendars_of, revoke_calendar, open_calendar, note_calendar, admit to dyno_exports;
