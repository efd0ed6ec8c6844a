"""The sample lab: read from cdk/local/fleet, moved to begin next week, loaded whole or not at all."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pg8000.native

from cdk.local import postgres
from cdk.local.instance import Instance

FLEET = Path(__file__).parent / "fleet"
LEAD_DAYS = 7
"""The first request lies this many days ahead, and up to six more, so that every date keeps its weekday."""


@dataclass(frozen=True)
class Request:
    """A row of requests.csv with its dates moved; `row` counts from 1."""

    row: int
    vin: str
    test_type: str
    start_date: date
    days_to_complete: int


def load(instance: Instance, database_port: int) -> str:
    """
    Fill an empty lab, in one transaction; a lab with dynos in it is left as it is.

    Returns:
        What was done, for people.
    """
    connection = postgres.connect(database_port, "dyno")
    try:
        connection.run("begin")
        connection.run("lock table dynos in share row exclusive mode")  # two loaders take turns
        if connection.run("select exists (select from dynos)")[0][0]:
            return "kept"
        shift = shift_on(datetime.now(UTC).date())
        _insert(connection, shift)
        instance.write("lab.json", {"shift_days": shift.days})
        connection.run("commit")
    finally:
        connection.close()  # ends the transaction too
    return f"dates moved by {shift.days // 7} weeks"


def shift_on(today: date) -> timedelta:
    """The whole weeks that bring the first request to 7 to 13 days after `today`."""
    first = min(date.fromisoformat(row["start_date"]) for row in _rows("requests.csv"))
    return timedelta(weeks=-(((first - today).days - LEAD_DAYS) // 7))


def requests(instance: Instance) -> list[Request]:
    """The sample's requests in file order, moved as the lab was when it was loaded."""
    shift = timedelta(days=instance.read("lab.json")["shift_days"])
    return [
        Request(
            row=number,
            vin=row["vin"],
            test_type=row["test_type"],
            start_date=date.fromisoformat(row["start_date"]) + shift,
            days_to_complete=int(row["days_to_complete"]),
        )
        for number, row in enumerate(_rows("requests.csv"), start=1)
    ]


def _insert(connection: pg8000.native.Connection, shift: timedelta) -> None:
    for row in _rows("dynos.csv"):
        connection.run(
            "insert into dynos (name, facility, enabled) values (:name, :facility, cast(:enabled as boolean))", **row
        )
    for row in _rows("capabilities.csv"):
        connection.run(
            "insert into capabilities (dyno_id, test_type, drive_type, weight_class) "
            "select id, :test_type, :drive_type, :weight_class from dynos where name = :dyno",
            **row,
        )
    for row in _rows("vehicles.csv"):
        connection.run(
            "insert into vehicles (vin, program, weight_lbs, drive_type, cert_team, build_type, engine) values "
            "(:vin, :program, cast(:weight_lbs as integer), :drive_type, :cert_team, :build_type, :engine)",
            **row,
        )
    for row in _rows("maintenance.csv"):
        connection.run(
            "insert into occupancies (kind, dyno_id, reason, start_date, end_date, turnaround_days, status) "
            "select 'maintenance', id, :reason, cast(:start_date as date) + cast(:shift_days as integer), "
            "cast(:end_date as date) + cast(:shift_days as integer), turnaround_days, 'scheduled' "
            "from dynos where name = :dyno",
            shift_days=shift.days,
            **row,
        )
    connection.run("select refresh_breadth()")


def _rows(sheet: str) -> Iterator[dict[str, str]]:
    with (FLEET / sheet).open(newline="") as file:
        yield from csv.DictReader(file)
