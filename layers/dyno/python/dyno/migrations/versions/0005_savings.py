"""What was refused, what each day came to, what is assumed about that, and the reports made of it."""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Note refusals from now on, count the lab's days, and assume what came with the service."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Back to bookings that leave no refusal behind; reports, assumptions and refusals are lost."""
    op.execute("drop function age_refusals, roi_demand, roi_facts, roi_revisions, lab_month, keep_report, assume")
    op.execute(
        "drop function conflicts_now, check_conflicts, conflicts, people, close_days, lab_days, open_days, made_way"
    )
    op.execute("drop function assumptions_json")
    op.execute("drop view assumptions_in_force")
    op.execute("drop table roi_reports, roi_assumptions, conflict_checks, allocation_days")
    op.execute("drop index placements, bookings_by_person")
    op.execute("drop function is_kept, place, why_refused")
    op.execute("alter function choose_and_book rename to place")
    op.execute("grant execute on function place to dyno_allocations")
    op.execute("drop table refusals")
