-- PostgreSQL 16+. Who the service is for: people who are enrolled, leave and come back; and answers that are given again.

-- A row without enrolled_at is of somebody whose token was seen. The release before writes such rows, and no others.
alter table users
  add column left_at timestamptz,
  add column version integer not null default 1,                -- the ETag
  add constraint only_the_enrolled_leave check (left_at is null or enrolled_at is not null),
  add constraint nobody_leaves_before_enrolment check (left_at >= enrolled_at),
  add constraint the_enrolled_have_a_role check (enrolled_at is null or role is not null);

-- What a request was answered under its key: null if it must be done, else the answer with replayed: true, or key_reused if another
-- request came with the key. To be asked first: a twin in flight holds this lock until its work is committed; then its answer is
-- here to be read.
create function remembered_answer(p_owner text, p_route text, p_key text, p_hash bytea) returns jsonb
language plpgsql set search_path = public, pg_temp as $$
declare done idempotency_keys;
begin
  if p_key is null then return null; end if;
  perform pg_advisory_xact_lock(hashtextextended(p_owner || chr(31) || p_route || chr(31) || p_key, 0));
  select * into done from idempotency_keys i
   where i.owner = p_owner and i.route = p_route and i.key = p_key and i.created_at > clock_timestamp() - interval '24 hours';
  if not found then return null; end if;
  if done.body_hash <> p_hash then return jsonb_build_object('outcome', 'key_reused'); end if;
  return done.answer || '{"replayed": true}';
end $$;

-- Keep an answer for whoever asks again; in the transaction of the work, and not of a refusal.
create function remember_answer(p_owner text, p_route text, p_key text, p_hash bytea, p_answer jsonb) returns void
language sql set search_path = public, pg_temp as $$
  insert into idempotency_keys as i (owner, route, key, body_hash, answer)
  select p_owner, p_route, p_key, p_hash, p_answer where p_key is not null
      on conflict (owner, route, key) do update
     set body_hash = excluded.body_hash, answer = excluded.answer, created_at = excluded.created_at
$$;

-- What the API says of a person.
create function user_json(u users) returns jsonb language sql stable
  return jsonb_build_object('user_id', u.id, 'sub', u.sub, 'role', u.role, 'enrolled_at', u.enrolled_at, 'left_at', u.left_at,
                            'version', u.version);

-- Enrol a person, seen before or not. Gives {"outcome": …}: enrolled with the user (replayed: true if the key had done it before),
-- or key_reused, or already_enrolled with the user there is; of two at once, the second waits for the first one's row.
create function enrol(p_owner text, p_route text, p_key text, p_hash bytea, p_sub text, p_role text, p_enrolled_at timestamptz)
returns jsonb language plpgsql security definer set search_path = public, pg_temp as $$
declare
  answer jsonb := remembered_answer(p_owner, p_route, p_key, p_hash);
  person users;
begin
  if answer is not null then return answer; end if;
  insert into users as u (sub, role, enrolled_at) values (p_sub, p_role, p_enrolled_at)
      on conflict (sub) do update
     set role = excluded.role, enrolled_at = excluded.enrolled_at, version = u.version + 1 where u.enrolled_at is null
  returning * into person;
  if not found then
    select * into person from users u where u.sub = p_sub;
    return jsonb_build_object('outcome', 'already_enrolled', 'user', user_json(person));
  end if;
  answer := jsonb_build_object('outcome', 'enrolled', 'user', user_json(person));
  perform remember_answer(p_owner, p_route, p_key, p_hash, answer);
  return answer;
end $$;

-- Change an enrolled person's role, enrolled_at or left_at, whichever p_changes names. Gives {"outcome": …}: changed or unchanged
-- with the user, or not_found, stale, not_enrolled, left_before_enrolment.
create function change_user(p_id integer, p_version integer, p_changes jsonb) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare person users; wanted users;
begin
  select * into person from users u where u.id = p_id for no key update;
  if not found then return jsonb_build_object('outcome', 'not_found'); end if;
  if person.version <> p_version then return jsonb_build_object('outcome', 'stale', 'user', user_json(person)); end if;
  if person.enrolled_at is null then return jsonb_build_object('outcome', 'not_enrolled', 'user', user_json(person)); end if;
  wanted := jsonb_populate_record(person, p_changes);
  if (wanted.role, wanted.enrolled_at, wanted.left_at) is not distinct from (person.role, person.enrolled_at, person.left_at) then
    return jsonb_build_object('outcome', 'unchanged', 'user', user_json(person));
  end if;
  if wanted.left_at < wanted.enrolled_at then
    return jsonb_build_object('outcome', 'left_before_enrolment', 'user', user_json(wanted));
  end if;
  update users u set role = wanted.role, enrolled_at = wanted.enrolled_at, left_at = wanted.left_at, version = u.version + 1
   where u.id = p_id returning * into person;
  return jsonb_build_object('outcome', 'changed', 'user', user_json(person));
end $$;

-- The door's role reads who is there; what it writes, it writes by these two.
revoke execute on function remembered_answer, remember_answer, enrol, change_user from public;
grant select on users to dyno_allocations;
grant execute on function enrol, change_user to dyno_allocations;
