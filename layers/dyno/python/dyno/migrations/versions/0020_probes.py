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


def upgrade() -> None:
    """Read less."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())
    reword("look_at_all", _REJECTIONS, _REJECTIONS_MADE)


def downgrade() -> None:
    """Back to how it was."""
    reword("look_at_all", _REJECTIONS_MADE, _REJECTIONS)
    op.execute("drop function why_not, in_the_way, vehicle_in_the_way, rejection_json")
    op.execute("drop type rejection_for_booking")
    op.execute("drop trigger noticed on history")
    for sheet, begins, ends in (
        (PLANNING, r"create function in_the_way\(", "end;"),
        (PLANNING, r"create function vehicle_in_the_way\(", "end;"),
        (PLANNING, r"create function why_not\(", "end;"),
        (NOTICES, r"create function note_change\(", r"end \$\$;"),
        (NOTICES, "create trigger noticed ", r"execute function note_change\(\);"),
    ):
        op.get_bind().exec_driver_sql(_written(sheet, begins, ends))


def _written(sheet: Path, begins: str, ends: str) -> str:
    found = re.search(rf"^{begins}.*?^ *{ends}\n", sheet.read_text(), re.DOTALL | re.MULTILINE)
    if found is None:
        raise ValueError(f"{sheet.name} does not say {begins}")
    return re.sub("^create function note_change", "create or replace function note_change", found[0])
