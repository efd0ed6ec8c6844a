-- PostgreSQL 16+. A crowd that wants the same day: less is done again for whoever was outrun. What is said stays the same.

-- Holds that ran out and lie where somebody wants to go, or all there are. One that somebody is changing now is passed over.
create or replace function lapse(p_dyno integer, p_vehicle integer, p_start date, p_until date, p_at timestamptz) returns bigint
language plpgsql as $$
declare lapsed_holds bigint;
begin
  -- Mostly nothing ran out anywhere, and whoever was outrun asks; to plan what follows takes longer than to book.
  if not exists (select from occupancies o where o.status = 'held' and o.expires_at <= p_at) then return 0; end if;
  with over as (
    select o.id, allocation_json(o) as before from occupancies o
     where o.status = 'held' and o.expires_at <= p_at
       and (p_start is null or (o.dyno_id = p_dyno or o.vehicle_id = p_vehicle) and o.start_date < p_until and o.free_from > p_start)
     order by o.id for no key update skip locked
  ), lapsed as (
    update occupancies o set status = 'lapsed', expires_at = null, version = version + 1 from over where o.id = over.id
    returning o.id, over.before, allocation_json(o) as after
  ), noted as (
    insert into history (occupancy_id, action, actor, before, after)
    select l.id, 'lapse', 'system', l.before, l.after from lapsed l order by l.id returning 1
  )
  select count(*) into lapsed_holds from noted;
  return lapsed_holds;
end $$;

-- One dyno for a test: the earliest day, then the least capable, then the first by name; or p_dyno and no other. Gives it and the day,
-- its row locked unless somebody else has it locked; or no dyno, and of first_day, the first on which the vehicle is free, what
-- look_at_all() says of all. again: what was seen does not go together.
create or replace function choose(p_dyno integer, p_vehicle integer, p_drive text, p_weight text, p_test text, p_start date, p_days integer,
                       p_until date, p_except bigint,
                       out dyno_id integer, out dyno_name text, out turnaround_days smallint, out day date, out first_day date,
                       out rejected json, out mostly text, out conflicting boolean, out again boolean)
language plpgsql as $$
#variable_conflict use_column
declare at timestamptz; most integer; passed_breadth integer; passed_name text; found_free record; candidate integer; seen record;
  looked boolean := false;  -- nothing can be asked of what was not seen yet
begin
  again := false;
  day := p_start;
  <<days>>
  loop
    exit when day > p_until;
    at := clock_timestamp();
    candidate := null;
    most := 8;
    passed_name := null;
    loop
      -- Of those that can do it, in order, the first: one by one until one is free, at first unless too many are not.
      if p_dyno is null then
        select c.dyno_id, x.version, c.breadth, c.name into found_free
          from in_order(p_test, p_drive, p_weight, most) c
         cross join lateral (
           select x.version from dynos x
            where x.id = c.dyno_id and unfit(x, true, day, day + p_days - 1) is null
              and not exists (select from in_the_way(x.id, day, day + p_days - 1, x.turnaround_days, at, p_except))
           offset 0) x
         where (passed_name is null or (c.breadth, c.name collate "C") > (passed_breadth, passed_name collate "C"))
           and not exists (select from vehicle_in_the_way(p_vehicle, day, day + p_days - 1, at, p_except))
         order by c.breadth, c.name collate "C" limit 1;
      else
        select x.id as dyno_id, x.version, x.breadth, x.name into found_free from dynos x
         where x.id = p_dyno and (select w.free from why_not(x, p_test, p_drive, p_weight, day, day + p_days - 1, at, p_except) w)
           and not exists (select from vehicle_in_the_way(p_vehicle, day, day + p_days - 1, at, p_except));
      end if;
      if not found then
        exit when candidate is not null;
        if exists (select from vehicle_in_the_way(p_vehicle, day, day + p_days - 1, at, p_except)) then
          day := vehicle_free_from(p_vehicle, day, p_days, p_until, at, p_except);
          exit days when day is null;
          continue days;
        end if;
        first_day := coalesce(first_day, day);
        -- If one of the last is free, the walk ends at it or before. It costs less than a look at all, which a full day needs anyway.
        if p_dyno is null and most is not null and exists (
          select from (
            (select y.dyno_id from order_of_choice y
              where y.test_type = p_test and y.drive_type = p_drive and y.weight_class = p_weight
              order by y.breadth desc, y.name desc limit 2)
            union all
            (select y.dyno_id from order_of_choice y
              where y.test_type = 'any' and y.drive_type = p_drive and y.weight_class = p_weight
              order by y.breadth desc, y.name desc limit 2)) z
            cross join lateral (
              select from dynos x
               where x.id = z.dyno_id and unfit(x, true, day, day + p_days - 1) is null
                 and not exists (select from in_the_way(x.id, day, day + p_days - 1, x.turnaround_days, at, p_except))
              offset 0) x) then
          most := null;
          continue;
        end if;
        seen := look_at_all(p_dyno, p_test, p_drive, p_weight, day, p_days, p_until, at, p_except);
        looked := true;
        exit when seen.dyno_id is null;
        most := null;
        select x.id as dyno_id, seen.version as version, x.breadth, x.name into found_free from dynos x where x.id = seen.dyno_id;
      end if;
      if most is not null then
        select x.id, x.name, x.turnaround_days into dyno_id, dyno_name, turnaround_days
          from dynos x where x.id = found_free.dyno_id and x.version = found_free.version for no key update skip locked;
      else
        -- In a crowd it is looked at once more when it is locked: what was seen of it is older than the bookings of those who had it
        -- locked meanwhile. Without one that would be a tenth of all that a choice costs.
        select x.id, x.name, x.turnaround_days into dyno_id, dyno_name, turnaround_days
          from dynos x
         where x.id = found_free.dyno_id and x.version = found_free.version
           and not exists (select from in_the_way(x.id, day, day + p_days - 1, x.turnaround_days, at, p_except))
           for no key update skip locked;
      end if;
      exit days when found;
      -- A dyno somebody is booking this instant is passed over: a crowd spreads out instead of queueing. Those before it were taken
      -- when it was looked for; of those behind it the next is looked for as it is now.
      candidate := coalesce(candidate, found_free.dyno_id);
      exit when p_dyno is not null;
      passed_breadth := found_free.breadth;
      passed_name := found_free.name;
      most := null;
    end loop;
    if candidate is not null then
      -- Free, but somebody is booking it: let the constraint decide. Two dynos are never waited for in turn, but for who changes one,
      -- who waits for nobody any more.
      perform from dynos x where x.id = candidate for key share;
      -- It stays as it is from here on. What was seen of it is older than that.
      select x.id, x.name, x.turnaround_days into dyno_id, dyno_name, turnaround_days
        from dynos x cross join lateral unfit(x, p_test, p_drive, p_weight, day, day + p_days - 1) u
       where x.id = candidate and u.reason is null;
      again := not found;
      exit;
    end if;

    exit when seen.next_day is null;
    day := seen.next_day;
  end loop;
  if dyno_id is not null or first_day is null or again then return; end if;

  -- Nobody looked at all where a walk was begun and the vehicle was booked meanwhile; or it was another day that was looked at.
  if looked then looked := seen.rejected is not null and day is not distinct from first_day; end if;
  if not looked then
    seen := look_at_all(p_dyno, p_test, p_drive, p_weight, first_day, p_days, first_day - 1, clock_timestamp(), p_except);
  end if;
  rejected := seen.rejected;
  mostly := coalesce(seen.mostly, 'not_capable');
  conflicting := coalesce(seen.conflicting, false);
  again := seen.dyno_id is not null;                              -- cancelled since
end $$;
