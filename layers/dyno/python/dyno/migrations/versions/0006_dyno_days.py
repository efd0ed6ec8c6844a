"""How many days of dynos were booked, and how many could have been."""

from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Count days of dynos; no table changes."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Back to reports that say nothing of dynos."""
    op.execute("drop function dyno_days, days_there, shared_days")
