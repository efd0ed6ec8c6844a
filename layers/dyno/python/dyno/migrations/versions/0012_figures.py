"""The lab's figures, asked with every batch of calls, no longer count what only the reports tell."""

import re
from pathlib import Path

from alembic import op

revision = "0012"
down_revision = "0011"

SHEET = Path(__file__).with_name("0005_savings.sql")
"""Where the function was written first."""


def upgrade() -> None:
    """Count what is asked for."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Back to how it was."""
    found = re.search(r"^create (function lab_month\(.*?^\$\$;\n)", SHEET.read_text(), re.DOTALL | re.MULTILINE)
    if found is None:
        raise ValueError(f"{SHEET.name} has no function lab_month")
    op.get_bind().exec_driver_sql(f"create or replace {found[1]}")
    op.execute("drop function open_kept")
