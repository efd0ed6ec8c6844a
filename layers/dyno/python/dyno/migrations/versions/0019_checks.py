"""Two who look for conflicts at the same microsecond both find them."""

from dyno.migrations.rewording import reword

revision = "0019"
down_revision = "0018"

_NOTED = "  returning conflicts\n"
_NOTED_BY_WHOEVER_IS_LATER = """  on conflict (checked_at) do update
    set conflicts = excluded.conflicts, occupancy_id = excluded.occupancy_id, history_id = excluded.history_id
  returning conflicts
"""


def upgrade() -> None:
    """Keep what the later one found."""
    reword("check_conflicts", _NOTED, _NOTED_BY_WHOEVER_IS_LATER)


def downgrade() -> None:
    """Let the later one fail."""
    reword("check_conflicts", _NOTED_BY_WHOEVER_IS_LATER, _NOTED)
