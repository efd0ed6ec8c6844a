"""Wide rollups, business metrics, redriven letters, and the nightly work."""

import re
from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"

BOUNDS_MS = tuple(float(f"{0.1 * 10 ** (number / 9):.4g}") for number in range(64))
"""As the catalogue had them when this was written; a migration does not change with it."""


def upgrade() -> None:
    """Count the rollups there are into their new form, and make the rest."""
    op.get_bind().exec_driver_sql(_written_out(Path(__file__).with_suffix(".sql").read_text()))


def downgrade() -> None:
    """Back to the metrics tables as 0002 made them, every record lost with them."""
    op.execute("drop function sweep, drop_metrics_partitions, age_metrics, lab_activity, close_dead_letters, ingest")
    op.execute("drop function create_metrics_partition")
    op.execute("drop index bookings_by_time")
    op.execute("drop view metrics_hourly, metrics_totals")
    op.execute("drop table observation_totals, observations, dead_letter_totals, dead_letters")
    op.execute("drop table metrics_series, metrics_rollups, metrics")
    op.execute("drop function duration_bucket")
    op.execute("drop sequence metrics_id")
    op.get_bind().exec_driver_sql(Path(__file__).with_name("0002_metrics.sql").read_text())


def _written_out(sql: str) -> str:
    sql = sql.replace("«bounds»", f"array[{', '.join(map(str, BOUNDS_MS))}]::double precision[]")
    return re.sub("«(.*?)»", lambda form: ", ".join(form[1].replace("#", str(n)) for n in range(len(BOUNDS_MS))), sql)
