"""Measuring: rows, the rollups and totals counted with them, dead letters, and the one call that writes."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables, five months of partitions, the functions and the grants."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Take them away, every record included."""
    op.execute("revoke select on alembic_version from dyno_metrics")
    op.execute("drop function ingest, create_metrics_partition")
    op.execute("drop table dead_letter_totals, dead_letters, metrics_totals, metrics_hourly, metrics")
    op.execute("drop function duration_bucket")
    op.execute("drop sequence metrics_id")
