"""A crowd that wants the same day does less again for whoever was outrun."""

import re
from pathlib import Path

from alembic import op

revision = "0011"
down_revision = "0010"

SHEET = Path(__file__).with_name("0009_planning.sql")
"""Where the functions were written first."""


def upgrade() -> None:
    """Spread a crowd better."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Back to how it was."""
    for name in ("lapse", "choose"):
        found = re.search(
            rf"^create (function {name}\(.*?^(?:end )?\$\$;\n)", SHEET.read_text(), re.DOTALL | re.MULTILINE
        )
        if found is None:
            raise ValueError(f"{SHEET.name} has no function {name}")
        op.get_bind().exec_driver_sql(f"create or replace {found[1]}")
