"""Sheets are imported, by a login of their own; a request that comes again is known."""

from pathlib import Path

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Take sheets."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Take none; what they brought stays."""
    op.execute("revoke select on dynos, capabilities, vehicles, occupancies from dyno_imports")
    op.execute(
        "revoke execute on function plan_alone, create_vehicle, change_vehicle, create_dyno, change_dyno, close_dyno,"
        " book, admit from dyno_imports"
    )
    op.execute("drop function remember_request")
    op.execute("drop table imported_requests")
