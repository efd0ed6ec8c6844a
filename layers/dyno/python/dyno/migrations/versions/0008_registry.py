"""The registry: vehicles and dynos that are made, changed and retired, and who did it."""

from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Let vehicles and dynos retire, and an admin say what there is."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Back to a registry that nobody writes; what was retired is as before it; who did what is lost."""
    op.execute("drop function change_dyno, change_vehicle, create_dyno, create_vehicle, plan_alone, set_capabilities")
    op.execute("drop function newly_stranded, stranded, retired_since, note_registry, dyno_json, vehicle_json")
    op.execute("drop table registry_history")
    op.execute("alter table vehicles drop column retired_at")
    op.execute("alter table dynos drop constraint the_retired_are_disabled, drop column retired_at")
