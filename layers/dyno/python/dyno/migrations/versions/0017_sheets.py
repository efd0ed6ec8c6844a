"""A sheet's tests are booked by few calls, nothing comes back as somebody's who is disabled, and old notices go."""

import re
from pathlib import Path

from alembic import op

from dyno.migrations.rewording import reword

revision = "0017"
down_revision = "0016"

SHEET = Path(__file__).with_name("0009_planning.sql")
"""Where the sweep was written first."""
_HERE = "u.enrolled_at is not null and u.left_at is null)"
_ADMITTED = "u.enrolled_at is not null and u.left_at is null and u.disabled_at is null)"


def upgrade() -> None:
    """Book many by one call."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())
    reword("carry_over", _HERE, _ADMITTED)


def downgrade() -> None:
    """Back to one call each."""
    reword("carry_over", _ADMITTED, _HERE)
    found = re.search(r"^create or replace function sweep\(.*?^\$\$;\n", SHEET.read_text(), re.DOTALL | re.MULTILINE)
    if found is None:
        raise ValueError(f"{SHEET.name} has no function sweep")
    op.get_bind().exec_driver_sql(found[0])
    op.execute("drop function place_all")
