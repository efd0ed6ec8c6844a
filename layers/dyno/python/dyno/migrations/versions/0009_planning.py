"""A dyno of one's choice, holds, changes, maintenance and what makes way for it, and what is free."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from alembic import op

revision = "0009"
down_revision = "0008"

REPLACED = {
    "0001_lab.sql": ["unfit", "allocation_json", "cancel"],
    "0003_operations.sql": ["sweep"],
    "0004_people.sql": ["remembered_answer"],
    "0005_savings.sql": ["is_kept", "made_way", "open_days", "people", "roi_facts"],
}
"""Functions that the release before calls too, by where they were written."""

OF_COLUMNS = {
    "in_the_way": "in_the_way(p_dyno integer, p_start date, p_end date, p_turnaround smallint, p_at timestamptz)",
    "vehicle_in_the_way": "vehicle_in_the_way(p_vehicle integer, p_start date, p_end date, p_at timestamptz)",
}
"""Those of 0001 that give rows of a table, whose columns they have learnt by heart."""

INDEXES = [
    ("bookings_by_time", "created_at", "status, cancelled_at, booked_by", "kind = 'allocation'"),
    ("bookings_by_person", "booked_by, created_at", "status, cancelled_at", "kind = 'allocation'"),
    ("dyno_days", "dyno_id, start_date", "free_from, status, expires_at", "occupies"),
    ("vehicle_days", "vehicle_id, start_date", "end_date, status, expires_at", "occupies and vehicle_id is not null"),
]
"""As earlier migrations made them."""
OF_NONE = "returns setof occupancies language sql as 'select null::occupancies'"


def upgrade() -> None:
    """Plan; what was booked before stays as it is."""
    op.get_bind().exec_driver_sql(_beside(Path(__file__).with_suffix(".sql").name))


def downgrade() -> None:
    """Back to bookings that are made and cancelled only; what was moved is as if booked so, by nobody known."""
    op.execute(
        "drop function schedule, availability, reopen_dyno, close_dyno, change_allocation, book, choose, look_at_all"
    )
    _as_before(REPLACED)
    for function in OF_COLUMNS.values():
        op.execute(f"create or replace function {function} {OF_NONE}")
    op.execute("drop trigger in_order on dynos")
    for when in ("new", "gone", "changed", "left"):
        op.execute(f"drop trigger in_order_when_{when} on capabilities")
    op.execute("drop function answered, keep_order, keep_order_of_many, refresh_order, in_order")
    op.execute("drop table order_of_choice")
    op.execute("drop function lapse, rejection, obstacle_json, window_json, allocation_json(occupancies), next_windows")
    op.execute("drop type rejection")
    op.execute("drop function dyno_free_from(dynos, date, integer, date, timestamptz, bigint)")
    op.execute("drop function vehicle_free_from(integer, date, integer, date, timestamptz, bigint)")
    op.execute("drop function vehicle_in_the_way(integer, date, date, timestamptz, bigint)")
    op.execute("drop function why_not(dynos, text, text, text, date, date, timestamptz, bigint)")
    op.execute("drop function in_the_way(integer, date, date, smallint, timestamptz, bigint)")
    op.execute("drop function kept_by, unfit(dynos, boolean, date, date), is_live(timestamptz, timestamptz)")
    op.execute("drop function since, longest_hold")
    for name, columns, included, condition in INDEXES:
        op.execute(f"drop index {name}")
        op.execute(f"create index {name} on occupancies ({columns}) include ({included}) where {condition}")
    op.execute("delete from history where action not in ('book', 'cancel', 'lapse')")
    op.execute("alter table history drop constraint history_action_check")
    op.execute("alter table history add foreign key (occupancy_id) references occupancies")
    op.execute("alter table history add constraint history_action_check check (action in ('book', 'cancel', 'lapse'))")
    op.execute("alter table occupancies drop column asked_date, drop column committed_at, drop column work")
    _as_before({"0001_lab.sql": OF_COLUMNS})


def _as_before(functions: Mapping[str, Iterable[str]]) -> None:
    for sheet, names in functions.items():
        for name in names:
            op.get_bind().exec_driver_sql(_function(sheet, name))


def _beside(name: str) -> str:
    return Path(__file__).with_name(name).read_text()


def _function(sheet: str, name: str) -> str:
    """How a function was written: up to the blank line behind its end."""
    found = re.search(
        rf"^create function {name}\(.*?(?:\$\$|^end|[^\n]);\n\n", _beside(sheet), re.DOTALL | re.MULTILINE
    )
    if found is None:
        raise ValueError(f"{sheet} has no function {name}")
    return found[0].replace("create function", "create or replace function", 1)
