"""What befell a booking waits to be told to whoever asked for it."""

from pathlib import Path

from alembic import op

revision = "0014"
down_revision = "0011"


def upgrade() -> None:
    """Have notices written."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Back to nobody being told."""
    op.execute("drop trigger noticed on history")
    op.execute("drop function hand_out_notices, place_json, note_change")
    op.execute("drop table notices")
