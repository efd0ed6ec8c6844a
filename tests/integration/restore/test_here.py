"""A drill with a real dump of a real database: what is missing in the copy is said."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from cdk.local import postgres
from cdk.restore import here
from cdk.restore.comparison import RestoreError
from cdk.restore.report import Drill
from tests.integration.restore import copies
from tests.lab import MONDAY, TUESDAY, Lab


@pytest.fixture
def busy(lab: Lab) -> Lab:
    """A lab with two bookings and a refusal."""
    lab.dyno("D1")
    lab.vehicles(2)
    lab.auto_allocate("9ZZ0TEST0VD000000", MONDAY)
    lab.auto_allocate("9ZZ0TEST0VD000001", TUESDAY)
    return lab


def drilled(port: int, database: str, monkeypatch: pytest.MonkeyPatch, spoil: str) -> Drill:
    """A drill in which something happens to what was restored."""
    run = here._run

    def restore(program: str, port: int, database: str, *options: str) -> None:
        run(program, port, database, *options)
        if program == "pg_restore":
            copies.run(port, database, spoil)

    monkeypatch.setattr(here, "_run", restore)
    return here.drill(port, database)


def test_what_was_dumped_can_be_had_back(busy: Lab, server_port: int, database: str) -> None:
    before = copies.databases(server_port)

    done = here.drill(server_port, database)

    assert done.verdict.faults == ()
    assert {"occupancies", "vehicles", "history", "metrics", "alembic_version"} <= {*done.verdict.exact}
    assert done.restored.tables["occupancies"].rows == 2
    assert done.restored.last_write_at == busy.sql("select max(at) from history")
    assert "RPO: the age of the dump" in done.lines
    assert done.lines[-1] == f"the drill passed: {len(done.verdict.exact)} tables are the same to the row"
    assert copies.databases(server_port) == before


@pytest.mark.parametrize(
    ("spoil", "faults"),
    [
        (copies.LOSE_A_BOOKING, ["occupancies: 1 rows, not 2"]),
        (copies.CHANGE_A_BOOKING, ["occupancies: 2 rows, as there should be, but not the same"]),
        (copies.LOSE_A_TABLE, ["refusals: the table is missing"]),
        ("create table extra (id int)", ["extra: a table that should not be there"]),
        (copies.OVERLAP, ["1 occupancies overlap another", "occupancies: 3 rows, not 2"]),
    ],
)
def test_what_was_lost_or_spoilt_is_said(
    busy: Lab, server_port: int, database: str, monkeypatch: pytest.MonkeyPatch, spoil: str, faults: list[str]
) -> None:
    done = drilled(server_port, database, monkeypatch, spoil)

    assert [*done.verdict.faults] == faults
    assert done.lines[-1] == f"the drill FAILED: {len(faults)} faults"


def test_another_revision_is_said(busy: Lab, server_port: int, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    revision = busy.sql("select version_num from alembic_version")

    done = drilled(server_port, database, monkeypatch, copies.GO_BACK)

    assert done.verdict.faults[0] == f"the schema is at 0001, not at {revision}"


def test_bookings_made_meanwhile_are_no_fault(
    busy: Lab, server_port: int, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = here._run

    def book_and_dump(*arguments: Any) -> None:
        if arguments[0] == "pg_dump":
            busy.auto_allocate("9ZZ0TEST0VD000001", MONDAY, backup=True, max_backup_days=9)
        run(*arguments)

    monkeypatch.setattr(here, "_run", book_and_dump)

    done = here.drill(server_port, database)

    assert busy.sql("select count(*) from occupancies") == 3
    assert done.restored.tables["occupancies"].rows == 2
    assert done.verdict.faults == ()


def test_a_dump_that_cannot_be_restored_is_said_and_leaves_nothing(
    busy: Lab, server_port: int, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, run = copies.databases(server_port), here._run

    def cut_short(program: str, port: int, database: str, *options: str) -> None:
        if program == "pg_restore":
            dump = Path(options[-1])
            dump.write_bytes(dump.read_bytes()[:-2000])
        run(program, port, database, *options)

    monkeypatch.setattr(here, "_run", cut_short)

    with pytest.raises(RestoreError, match="pg_restore failed"):
        here.drill(server_port, database)
    assert copies.databases(server_port) == before


def test_a_database_that_is_not_the_services_is_not_compared(server_port: int) -> None:
    with pytest.raises(RestoreError, match="no database of the service"):
        here.drill(server_port, "postgres")


def test_postgresqls_own_tools_are_there() -> None:
    for program in ("pg_dump", "pg_restore"):
        said = subprocess.run([postgres.BIN / program, "--version"], capture_output=True, text=True, check=True)

        assert program in said.stdout
