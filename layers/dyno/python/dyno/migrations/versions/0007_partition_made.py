"""A month's partition is used once every session has heard of it."""

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Wait for whoever makes a partition; no table changes."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Leave it: what waits a moment longer does no harm to an earlier release."""
