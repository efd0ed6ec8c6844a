-- PostgreSQL 16+. A sheet's tests are booked by as few calls as may be: whoever wants the days that it takes waits until it is over.

-- Book what a sheet asks for, in the order in which it is asked: what has a status where the sheet has it already (see carry_over), all
-- else by the rule (see book). What becomes of each is remembered under its identity; but of what cannot be where the sheet has it
-- nothing is, as it may be booked elsewhere. A refusal that was known before counts for nothing once more.
--
-- Gives what these two say of each, in that order; of dynos that were all refused, how many for which reason.
create function place_all(p_actor text, p_tests jsonb, p_zone text, p_horizon_days integer, p_max_days integer) returns setof json
language plpgsql set search_path = public, pg_temp as $$
declare test jsonb; told json; dry boolean;
begin
  for test in select e.value from jsonb_array_elements(p_tests) with ordinality e (value, place) order by e.place loop
    dry := coalesce((test ->> 'known')::boolean, false);
    for attempts in 1 .. 64 loop
      if test ? 'status' then
        told := carry_over(p_actor, test ->> 'asked_by', (test ->> 'dyno_id')::integer, test ->> 'vin', test ->> 'test_type',
          (test ->> 'start_date')::date, (test ->> 'days')::integer, test ->> 'status', nullif(test -> 'work', 'null'),
          p_zone, p_horizon_days, p_max_days);
      else
        told := book(p_actor, 'POST /imports', null, '', null, null, test ->> 'vin', test ->> 'test_type', (test ->> 'start_date')::date,
          (test ->> 'days')::integer, (test ->> 'max_shift')::integer, null, nullif(test -> 'work', 'null'), dry,
          p_zone, p_horizon_days, p_max_days);
      end if;
      exit when told ->> 'outcome' not in ('lapsed', 'would_book');
      dry := false;
    end loop;
    case told ->> 'outcome'
      when 'booked' then
        perform remember_request(decode(test ->> 'identity', 'hex'), (told -> 'allocation' ->> 'allocation_id')::bigint);
      when 'lapsed' then
        told := json_build_object('outcome', 'contended');
      when 'no_dyno_available' then
        told := json_build_object('outcome', 'no_dyno_available', 'reasons', (
          select coalesce(json_object_agg(r.reason, r.dynos), '{}')
            from (select e.value ->> 'reason' as reason, count(*) as dynos from json_array_elements(told -> 'rejected') e group by 1) r));
      else null;
    end case;
    if told ->> 'outcome' not in ('booked', 'contended') and not test ? 'status' and not coalesce((test ->> 'known')::boolean, false) then
      perform remember_request(decode(test ->> 'identity', 'hex'), null);
    end if;
    return next told;
  end loop;
end $$;

revoke execute on function place_all from public;
grant execute on function place_all to dyno_imports;
