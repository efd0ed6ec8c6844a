"""What is there is exported, and calendars are subscribed to."""

from pathlib import Path

from alembic import op

from dyno.migrations.rewording import reword

revision = "0015"
down_revision = "0014"

_ERASES = "  delete from idempotency_keys k where k.owner = sub;\n"
# Not under a pseudonym: what they subscribed to is nobody's business any more, and their tokens open nothing.
_ERASES_CALENDARS = """  delete from idempotency_keys k where k.owner = sub;
  delete from calendars c where c.owner = sub or c.booked_by = sub;
"""


def upgrade() -> None:
    """Let a login read what is exported, and people subscribe."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())
    reword("erase_user", _ERASES, _ERASES_CALENDARS)


def downgrade() -> None:
    """Back to a lab that nobody subscribes to; the tokens are lost."""
    reword("erase_user", _ERASES_CALENDARS, _ERASES)
    op.execute(
        "drop function make_calendar, calendars_of, revoke_calendar, open_calendar, note_calendar, calendar_json"
    )
    op.execute("drop table calendars")
    op.execute("revoke select on dynos, capabilities, vehicles, occupancies, history from dyno_exports")
    op.execute("revoke execute on function admit from dyno_exports")
