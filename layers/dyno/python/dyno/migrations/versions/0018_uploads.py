"""Large files are uploaded first, and imported when they are there."""

from pathlib import Path

from alembic import op

from dyno.migrations.rewording import reword

revision = "0018"
down_revision = "0017"

_ERASES = "update occupancies o set booked_by = pseudonym where o.kind = 'allocation' and o.booked_by = sub;"
# Nothing is done any more for somebody who is not there; an import that is under way is waited for first.
_ERASES_JOBS = """update occupancies o set booked_by = pseudonym where o.kind = 'allocation' and o.booked_by = sub;
  delete from import_jobs j where j.owner = sub and j.finished_at is null;
  update import_jobs j set owner = pseudonym where j.owner = sub;"""
_SWEEPS = """delete from notices n where n.sent_at < clock_timestamp() - interval '30 days'
  )"""
_SWEEPS_JOBS = """delete from notices n where n.sent_at < clock_timestamp() - interval '30 days'
  ), imported as (
    delete from import_jobs j where j.created_at < clock_timestamp() - interval '30 days'
  )"""


def upgrade() -> None:
    """Let files be announced, and know what becomes of them."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())
    reword("erase_user", _ERASES, _ERASES_JOBS)
    reword("sweep", _SWEEPS, _SWEEPS_JOBS)


def downgrade() -> None:
    """Take no large files; what they brought stays."""
    reword("sweep", _SWEEPS_JOBS, _SWEEPS)
    reword("erase_user", _ERASES_JOBS, _ERASES)
    op.execute("drop function announce_import, import_job, begin_import, note_import, end_import, import_json")
    op.execute("drop table import_jobs")
    op.execute("revoke select on dynos, capabilities, vehicles, occupancies, imported_requests from dyno_import_jobs")
    op.execute(
        "revoke execute on function plan_alone, create_vehicle, change_vehicle, create_dyno, change_dyno, close_dyno,"
        " book, carry_over, place_all, remember_request, enrol, admit from dyno_import_jobs"
    )
