"""The lab: dynos, capabilities, vehicles, occupancies under two exclusion constraints, and the call that books."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the lab's tables, rules and grants."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Take them away, bookings included."""
    op.execute("drop function place, cancel, lapse_holds, refresh_breadth, dyno_free_from, vehicle_free_from, why_not")
    op.execute("drop function unfit, in_the_way, vehicle_in_the_way, allocation_json")
    op.execute("drop table idempotency_keys, history, occupancies, vehicles, capabilities, dynos, users")
    op.execute("drop function is_live")
