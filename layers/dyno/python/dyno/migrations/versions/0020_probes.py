"""Bookings and refusals read a few entries of an index instead of pages of it, and have less to parse."""

import re
from pathlib import Path

from alembic import op

from dyno.migrations.rewording import reword

revision = "0020"
down_revision = "0019"

PLANNING, NOTICES = (Path(__file__).with_name(f"{name}.sql") for name in ("0009_planning", "0013_notices"))
"""Where it was written first."""

_REJECTIONS = (
    "json_strip_nulls(json_agg(rejection(l.id, l.name, l.reason, l.kind, l.occupancy_id, l.free_from) order by l.name))"
)
_REJECTIONS_MADE = (
    "json_agg(rejection_json(l.id, l.name, l.reason, l.kind, l.occupancy_id, l.free_from) order by l.name)"
)

_NOTES = """begin
  insert into notices"""
_NOTES_NEWS = """begin
  -- A booking made is no news to who made it, nor that a test is over.
  if (new.action in ('cancel', 'lapse', 'displace')
      or new.action in ('move', 'confirm', 'step') and new.after ->> 'status' <> 'completed'
         and (new.before -> 'dyno_id', new.before -> 'start_date', new.before -> 'end_date')
             is distinct from (new.after -> 'dyno_id', new.after -> 'start_date', new.after -> 'end_date'))
     is not true then
    return null;
  end if;
  insert into notices"""


def upgrade() -> None:
    """Read less."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())
    _write(PLANNING, r"create function why_not\(", "end;")  # as it was, over the new in_the_way
    reword("look_at_all", _REJECTIONS, _REJECTIONS_MADE)
    reword("note_change", _NOTES, _NOTES_NEWS)


def downgrade() -> None:
    """Back to how it was."""
    reword("note_change", _NOTES_NEWS, _NOTES)
    reword("look_at_all", _REJECTIONS_MADE, _REJECTIONS)
    op.execute("drop function why_not, in_the_way, vehicle_in_the_way, rejection_json")
    op.execute("drop type rejection_for_booking")
    op.execute("drop trigger noticed on history")
    for function in ("in_the_way", "vehicle_in_the_way", "why_not"):
        _write(PLANNING, rf"create function {function}\(", "end;")
    _write(NOTICES, "create trigger noticed ", r"execute function note_change\(\);")


def _write(sheet: Path, begins: str, ends: str) -> None:
    found = re.search(rf"^{begins}.*?^ *{ends}\n", sheet.read_text(), re.DOTALL | re.MULTILINE)
    if found is None:
        raise ValueError(f"{sheet.name} does not say {begins}")
    op.get_bind().exec_driver_sql(found[0])
