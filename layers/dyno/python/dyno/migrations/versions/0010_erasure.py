"""A person is erased; what only earlier releases called is gone, and what no login needs is closed."""

import re
from pathlib import Path

from alembic import op

from dyno.migrations.rewording import reword

revision = "0010"
down_revision = "0009"

_REMEMBERED = """  perform remember_answer(p_owner, p_route, p_key, p_hash, answer);
  return answer;
"""
_ANSWERED = """  return answered(p_owner, p_route, p_key, p_hash, answer);
"""

REWORDED = (
    ("enrol", _REMEMBERED, _ANSWERED),
    ("create_vehicle", _REMEMBERED, _ANSWERED),
    ("create_dyno", _REMEMBERED, _ANSWERED),
    (
        "change_user",
        "  if person.version <> p_version then",
        """  if person.sub = 'erased:' || p_id then return jsonb_build_object('outcome', 'was_erased'); end if;
  if person.version <> p_version then""",
    ),
    (
        "ingest",
        """  insert into users (sub)
  select distinct sub
    from (select sub from jsonb_to_recordset(p_records) as r (sub text)
          union all select sub from jsonb_to_recordset(p_observations) as o (sub text)) seen
   where sub is not null and not exists (select from users u where u.sub = seen.sub)
   order by sub
      on conflict (sub) do nothing;
""",
        """  if exists (select from (select sub from jsonb_to_recordset(p_records) as r (sub text)
                          union all select sub from jsonb_to_recordset(p_observations) as o (sub text)) seen
              where sub is not null and not exists (select from users u where u.sub = seen.sub)) then
    -- Who is unknown though their call is known was erased since, and does not come back by a line that is read again.
    insert into users (sub)
    select distinct sub
      from (select sub, event_id, created_at
              from jsonb_to_recordset(p_records || p_observations)
                   as r (sub text, event_id text, created_at timestamptz)
             where sub is not null and not exists (select from users u where u.sub = r.sub)
            offset 0) seen
     where not exists (select from metrics m where m.event_id = seen.event_id and m.created_at = seen.created_at)
       and not exists (select from observations o where o.event_id = seen.event_id)
     order by sub
        on conflict (sub) do nothing;
  end if;
""",
    ),
)
"""Functions, with the words they had and those they have instead."""

DROPPED = (
    ("0009_planning.sql", "create or replace function in_the_way("),
    ("0009_planning.sql", "create or replace function vehicle_in_the_way("),
    ("0001_lab.sql", "create function why_not("),
    ("0001_lab.sql", "create function vehicle_free_from("),
    ("0001_lab.sql", "create function dyno_free_from("),
    ("0001_lab.sql", "create function lapse_holds("),
    ("0001_lab.sql", "create function place("),
    ("0003_operations.sql", "create function lab_activity("),
    ("0004_people.sql", "create function remember_answer("),
    ("0005_savings.sql", "create function why_refused("),
    ("0005_savings.sql", "create function place("),
)
"""What earlier releases called, in the order in which one part needs another, by where and how it was written."""

OPEN = """
  allocation_json(occupancies), allocation_json(occupancies, text, text), assumptions_json, days_there, duration_bucket,
  dyno_free_from(dynos, date, integer, date, timestamptz, bigint), dyno_json, in_order,
  in_the_way(integer, date, date, smallint, timestamptz, bigint), is_kept, is_live(timestamptz, timestamptz),
  is_live(text, timestamptz, timestamptz), keep_order, keep_order_of_many, kept_by, longest_hold, next_windows,
  obstacle_json, rejection, retired_since, shared_days, since, unfit(dynos, boolean, date, date),
  unfit(dynos, text, text, text, date, date), user_json, vehicle_json, window_json,
  vehicle_free_from(integer, date, integer, date, timestamptz, bigint),
  vehicle_in_the_way(integer, date, date, timestamptz, bigint),
  why_not(dynos, text, text, text, date, date, timestamptz, bigint)"""
"""Functions that anybody could call."""


def upgrade() -> None:
    """Let people be erased, and close what nobody needs open."""
    for function, was, becomes in REWORDED:
        reword(function, was, becomes)
    op.get_bind().exec_driver_sql(_beside(Path(__file__).with_suffix(".sql").name))


def downgrade() -> None:
    """Back to people who are there for good; who was erased stays it."""
    op.execute("drop function erase_user, renamed")
    op.execute("alter default privileges for role dyno_owner grant execute on functions to public")
    for sheet, head in DROPPED:
        op.get_bind().exec_driver_sql(_function(sheet, head))
        if (sheet, head) == ("0001_lab.sql", "create function place("):
            op.execute("alter function place rename to choose_and_book")
    op.get_bind().exec_driver_sql(_views())
    for function, was, becomes in REWORDED:
        reword(function, becomes, was)
    op.execute(f"grant execute on function {OPEN} to public")
    op.execute(f"revoke execute on function {OPEN} from dyno_roi")
    op.execute(
        "revoke execute on function place, choose_and_book, why_refused, remember_answer, lapse_holds, lab_activity"
        " from public"
    )
    op.execute("grant execute on function place to dyno_allocations")
    op.execute("grant execute on function lab_activity to dyno_ingest")
    op.execute("grant select on metrics_totals to dyno_ingest, dyno_metrics")
    op.execute("grant select on metrics_hourly to dyno_metrics")


def _beside(name: str) -> str:
    return Path(__file__).with_name(name).read_text()


def _function(sheet: str, head: str) -> str:
    """How a function was written: from its first words to the line that ends it."""
    found = re.search(rf"^{re.escape(head)}.*?^(?:end \$\$|end|\$\$);\n", _beside(sheet), re.DOTALL | re.MULTILINE)
    if found is None:
        raise ValueError(f"{sheet} has no {head}")
    return found[0]


def _views() -> str:
    """Rollups as 0002 had them, of 64 buckets each."""
    found = re.search(r"^create view metrics_hourly .*?\n\n", _beside("0003_operations.sql"), re.DOTALL | re.MULTILINE)
    if found is None:
        raise ValueError("0003_operations.sql makes no view")
    return found[0].replace("«bucket_#»", ", ".join(f"bucket_{number}" for number in range(64)))
