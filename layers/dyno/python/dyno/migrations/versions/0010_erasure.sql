-- PostgreSQL 16+. What only earlier releases called is gone, what no login needs is closed to all of them, and a person can be erased.
-- Functions of which a few words change are reworded, see 0010_erasure.py.

drop function place, choose_and_book, why_refused, remember_answer, lapse_holds, lab_activity,
  why_not(dynos, text, text, text, date, date, timestamptz), dyno_free_from(dynos, date, integer, date, timestamptz),
  vehicle_free_from(integer, date, integer, date, timestamptz), in_the_way(integer, date, date, smallint, timestamptz),
  vehicle_in_the_way(integer, date, date, timestamptz);
drop view metrics_hourly, metrics_totals;

-- The same with another id of a person, wherever one is told by the name of a person's id: it may be a word that means something else
-- everywhere else.
create function renamed(p_said jsonb, p_was text, p_is text) returns jsonb language sql immutable
  return replace(replace(replace(p_said::text,
    '"sub": ' || to_json(p_was), '"sub": ' || to_json(p_is)),
    '"booked_by": ' || to_json(p_was), '"booked_by": ' || to_json(p_is)),
    '"recorded_by": ' || to_json(p_was), '"recorded_by": ' || to_json(p_is))::jsonb;

-- Erase a person: their row stays, so that what was counted stays true, and whatever bears their id in the user pool bears a pseudonym
-- instead that nobody can sign in as: of that form are no ids, see the door. Who was still enrolled has left. A second time changes
-- nothing, whatever version it is of.
--
-- Gives {"outcome": …}: erased or unchanged with the person, or not_found, own_account, stale.
--
-- What they do while this runs, by a token that is still valid, may keep their id; so does what they do afterwards. Both show, by the
-- line of the call, as a person newly seen, who is erased in the same way.
create function erase_user(p_id integer, p_version integer, p_actor text) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  person users; sub text;
  pseudonym constant text := 'erased:' || p_id;
begin
  select * into person from users u where u.id = p_id for update;
  if not found then return jsonb_build_object('outcome', 'not_found'); end if;
  if person.sub = pseudonym then return jsonb_build_object('outcome', 'unchanged', 'user', user_json(person)); end if;
  if person.sub = p_actor then return jsonb_build_object('outcome', 'own_account'); end if;
  if person.version <> p_version then return jsonb_build_object('outcome', 'stale', 'user', user_json(person)); end if;
  sub := person.sub;

  -- Keys first: whoever has asked for one may wait for what is locked below, and is not to be waited for then.
  delete from idempotency_keys k where k.owner = sub;
  update idempotency_keys k set answer = renamed(k.answer, sub, pseudonym) where strpos(k.answer::text, to_json(sub)::text) > 0;

  update history h
     set actor = case h.actor when sub then pseudonym else h.actor end,
         before = renamed(h.before, sub, pseudonym), after = renamed(h.after, sub, pseudonym)
   where h.actor = sub or h.occupancy_id in (select o.id from occupancies o where o.kind = 'allocation' and o.booked_by = sub);
  update registry_history h set actor = pseudonym where h.actor = sub;
  update refusals r set actor = pseudonym where r.actor = sub;
  update roi_assumptions a set recorded_by = pseudonym where a.recorded_by = sub;
  update roi_reports r set report = renamed(r.report, sub, pseudonym) where strpos(r.report::text, to_json(sub)::text) > 0;

  -- Of calls an id of this table is kept. Only to enrol somebody who is enrolled is refused by name.
  update metrics m set error_message = pseudonym || substr(m.error_message, length(sub) + 1)
   where m.service_name = 'UserService' and m.method_name = 'enrol' and starts_with(m.error_message, sub || ' ');
  perform from dead_letter_totals t order by t.reason for update;       -- as whoever closes or ages letters
  update dead_letters l
     set line = case
       when sub ~ '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' then replace(l.line, sub, pseudonym)   -- nothing else is of that form
       else replace(replace(l.line, '"sub":' || to_json(sub), '"sub":' || to_json(pseudonym)),
                    '"sub": ' || to_json(sub), '"sub": ' || to_json(pseudonym)) end
   where strpos(l.line, sub) > 0;

  perform plan_alone();                                                 -- whoever moves bookings could wait for several of these
  update occupancies o set booked_by = pseudonym where o.kind = 'allocation' and o.booked_by = sub;

  update users u
     set sub = pseudonym, version = u.version + 1,
         left_at = case when u.enrolled_at is not null then coalesce(u.left_at, greatest(u.enrolled_at, clock_timestamp())) end
   where u.id = p_id returning * into person;
  return jsonb_build_object('outcome', 'erased', 'user', user_json(person));
end $$;

-- Who may call what. From here on a function is nobody's until it is granted.
alter default privileges for role dyno_owner revoke execute on functions from public;
revoke execute on function renamed, erase_user, allocation_json(occupancies), allocation_json(occupancies, text, text), assumptions_json,
  days_there, duration_bucket, dyno_free_from, dyno_json, in_order, in_the_way, is_kept, is_live(timestamptz, timestamptz),
  is_live(text, timestamptz, timestamptz), keep_order, keep_order_of_many, kept_by, longest_hold, next_windows, obstacle_json, rejection,
  retired_since, shared_days, since, unfit(dynos, boolean, date, date), unfit(dynos, text, text, text, date, date), user_json,
  vehicle_free_from, vehicle_in_the_way, vehicle_json, why_not, window_json from public;
grant execute on function erase_user to dyno_allocations;
-- Its reports run with its own rights, and so do the functions they are made of.
grant execute on function assumptions_json, days_there, is_kept, is_live(text, timestamptz, timestamptz), longest_hold, shared_days, since,
  unfit(dynos, boolean, date, date), unfit(dynos, text, text, text, date, date) to dyno_roi;
