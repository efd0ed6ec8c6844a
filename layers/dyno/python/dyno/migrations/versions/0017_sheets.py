"""A sheet's tests are booked by few calls, nothing comes back as somebody's who is disabled, and old notices go."""

from pathlib import Path

from alembic import op

from dyno.migrations.rewording import reword

revision = "0017"
down_revision = "0016"

_HERE = "u.enrolled_at is not null and u.left_at is null)"
_ADMITTED = "u.enrolled_at is not null and u.left_at is null and u.disabled_at is null)"
_SWEEPS = """= (old.owner, old.route, old.key) returning 1
  )"""
_SWEEPS_NOTICES = """= (old.owner, old.route, old.key) returning 1
  ), told as (
    delete from notices n where n.sent_at < clock_timestamp() - interval '30 days'
  )"""


def upgrade() -> None:
    """Book many by one call."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())
    reword("carry_over", _HERE, _ADMITTED)
    reword("sweep", _SWEEPS, _SWEEPS_NOTICES)


def downgrade() -> None:
    """Back to one call each."""
    reword("sweep", _SWEEPS_NOTICES, _SWEEPS)
    reword("carry_over", _ADMITTED, _HERE)
    op.execute("drop function place_all")
