"""People: enrolled, leaving, coming back; and answers that a retry is given again, whatever the request was."""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Let people leave, and let an admin say who is enrolled."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Back to people who are there for good; who left, and when, is lost."""
    op.execute("drop function change_user, enrol, user_json, remember_answer, remembered_answer")
    op.execute("revoke select on users from dyno_allocations")
    op.execute("alter table users drop column left_at, drop column version")
    op.execute("alter table users drop constraint the_enrolled_have_a_role")
