"""Labs to be fought over: how many dynos, vehicles and days there are, and how often what is asked."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from sqlalchemy import Connection, text

from dyno.allocation.model import Terms

TERMS = Terms("UTC", 60, 30)
TESTS = ("brake", "mileage", "evap")
LINES = ("any any any", "brake any any", "mileage 2WD any", "any AWD <10K", "evap any >10K", "mileage any any")
HOW_OFTEN = {
    "book": 26, "book_on": 12, "hold": 12, "confirm": 8, "move": 9, "extend": 5, "shorten": 4, "finish": 4, "step": 5,
    "cancel": 16, "close": 3, "displace": 4, "reopen": 4, "able": 3, "capable": 2, "sweep": 1, "look": 3,
}  # fmt: skip

_SCRATCH = """
-- A minute of a hold is over in a tenth of a second: nobody waits a minute for one to lapse.
create function public.make_interval(mins integer) returns interval language sql immutable
  return mins * interval '100 milliseconds';

-- What dynos were changed to, in one order with what was booked.
create table prove_changes (
  id bigint primary key default nextval('history_id_seq'), actor text not null, dyno_id integer not null,
  at timestamptz not null default clock_timestamp(), dyno jsonb not null);

create function prove_can(p_dyno integer, p_line text) returns void language sql as $$
  insert into capabilities
  select p_dyno, split_part(p_line, ' ', 1), split_part(p_line, ' ', 2), split_part(p_line, ' ', 3)
$$;

create function prove_note(p_dyno integer, p_actor text) returns jsonb language sql as $$
  insert into prove_changes (actor, dyno_id, dyno)
  select p_actor, d.id, jsonb_build_object('enabled', d.enabled, 'available_from', d.available_from,
           'available_to', d.available_to, 'capabilities', (
             select coalesce(jsonb_agg(array[c.test_type, c.drive_type, c.weight_class]), '[]')
               from capabilities c where c.dyno_id = d.id))
    from dynos d where d.id = p_dyno
  returning dyno
$$;

-- A dyno is changed by whoever plans alone, unless something that is to come would be stranded.
create function prove_change(p_dyno integer, p_actor text, p_enabled boolean, p_lines text[]) returns jsonb
language plpgsql as $$
declare d dynos;
begin
  perform plan_alone();
  perform from dynos x where x.id = p_dyno for update;
  update dynos x set enabled = coalesce(p_enabled, x.enabled), version = x.version + 1
   where x.id = p_dyno returning * into d;
  if p_lines is not null then
    delete from capabilities c where c.dyno_id = p_dyno;
    perform prove_can(p_dyno, l) from unnest(p_lines) l;
  end if;
  if exists (select from occupancies o join vehicles v on v.id = o.vehicle_id
              cross join lateral unfit(d, o.test_type, v.drive_type, v.weight_class, o.start_date, o.end_date) u
              where o.dyno_id = p_dyno and o.kind = 'allocation' and o.occupies
                and is_live(o.status, o.expires_at, clock_timestamp())
                and o.end_date >= (clock_timestamp() at time zone 'UTC')::date and u.reason is not null) then
    raise exception using errcode = 'DY002', message = 'stranded';
  end if;
  return prove_note(p_dyno, p_actor);
exception when sqlstate 'DY002' then
  return null;
end $$;
"""


@dataclass(frozen=True)
class Regime:
    """
    What a lab is like.

    Attributes:
        days: The first days that are asked for are the next so many.
        vehicles: Those asked for; all but a few are in a lab for one vehicle.
        weights: How often each kind is asked for, beside HOW_OFTEN.
        dawdles: Whether whoever writes waits a little, at times: more happens between two steps of one call.
    """

    name: str
    dynos: int
    vehicles: int
    days: int
    weights: Mapping[str, int] = field(default_factory=dict)
    dawdles: bool = False

    def kinds(self) -> dict[str, int]:
        """How often each kind is asked for."""
        return HOW_OFTEN | dict(self.weights)


REGIMES = (
    Regime("crowd", dynos=6, vehicles=30, days=4),
    Regime("wide", dynos=12, vehicles=60, days=45),
    Regime("one vehicle", dynos=8, vehicles=2, days=12),
    Regime("displaced", dynos=8, vehicles=24, days=14, weights={"close": 6, "displace": 14, "reopen": 18, "move": 14}),
    Regime("holds", dynos=6, vehicles=20, days=8, weights={"hold": 40, "book": 15, "confirm": 15, "able": 6}),
    Regime("lapses", dynos=4, vehicles=40, days=6, weights={"hold": 70, "move": 40, "displace": 12, "sweep": 0}),
)

_DAWDLING = """
create function prove_dawdle() returns trigger language plpgsql as $$
begin
  if random() < 0.3 then perform pg_sleep(random() * 0.04); end if;
  return new;
end $$;
create trigger prove_dawdle before insert or update on occupancies for each row execute function prove_dawdle();
create trigger prove_dawdle after insert on history for each row execute function prove_dawdle();
"""


def vin(number: int) -> str:
    """The vin of the lab's vehicle of that number."""
    return f"9ZZ0TEST0VD{number:06d}"


def equip(connection: Connection, regime: Regime, chance: random.Random, today: date) -> None:
    """Fill an empty lab."""
    connection.exec_driver_sql(_SCRATCH + (_DAWDLING if regime.dawdles else ""))
    for number in range(regime.dynos):
        dyno_id = connection.execute(
            text(
                "insert into dynos (name, turnaround_days, breadth, available_from, available_to)"
                " values (:name, :turnaround, :breadth, :from, :to) returning id"
            ),
            {
                "name": f"Cell {number}",
                "turnaround": number % 3 % 2,
                "breadth": number // 2,
                "from": today + timedelta(days=3) if number == regime.dynos - 1 else None,
                "to": today + timedelta(days=30) if number == regime.dynos - 2 else None,
            },
        ).scalar_one()
        for line in {LINES[0] if number < 2 else chance.choice(LINES), chance.choice(LINES)}:
            connection.execute(
                text("select prove_can(:id, :l)"),
                {"id": dyno_id, "l": line},
            )
        connection.execute(text("select prove_note(:id, 'system')"), {"id": dyno_id})
    for number in range(regime.vehicles):
        connection.execute(
            text("insert into vehicles (vin, weight_lbs, drive_type) values (:vin, :weight, :drive)"),
            {"vin": vin(number), "weight": 4000 + number % 2 * 8000, "drive": "AWD" if number % 3 else "2WD"},
        )
