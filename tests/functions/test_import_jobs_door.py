"""Large files: announced, uploaded, imported when they are there, and what is told of each."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from dyno.database import engine
from dyno.errors import DatabaseUnavailable, Unavailable
from dyno.imports import jobs, jobs_model, jobs_store, people, service, store
from dyno.settings import settings
from functions.import_jobs import handler as jobs_door
from functions.imports import handler as door
from tests.functions.conftest import EVENTS, Answer, Call, Caller, Context, Printed
from tests.functions.test_imports_door import KEPT, OTHER_VIN
from tests.integration.imports.conftest import sheet, workbook
from tests.integration.imports.test_registry import VEHICLES, VIN, everything
from tests.lab import Lab

CSV, XLSX = door.CSV, door.XLSX
GOOD = sheet(VEHICLES, (VIN, 5000, "AWD", "P1"), (OTHER_VIN, 11_000, "RWD", "P2"))
BAD = sheet(VEHICLES, (VIN, 5000, "AWD", "P1"), ("no vin", 5, "AWD", "P1"))

Arrive = Callable[..., dict[str, Any]]


@pytest.fixture
def announce(call: Call) -> Callable[..., Answer]:
    """Announces a file as an admin."""

    def answer(content: bytes, content_type: str = CSV, **wanted: Any) -> Answer:
        body = {"content_type": content_type, "size_bytes": len(content), "filename": "backlog.csv"} | wanted
        return call(door, "POST", "/imports/uploads", caller=Caller.ADMIN, body=body)

    return answer


@pytest.fixture
def ask(call: Call) -> Callable[[int], Answer]:
    """Asks how far an import is, as an admin."""
    return lambda import_id: call(door, "GET", f"/imports/{import_id}", caller=Caller.ADMIN)


@pytest.fixture
def arrive(enter: Callable[[str], None]) -> Arrive:
    """Puts a file where it was to be sent, and hands over the event of it, as often as is said."""

    def put(import_id: int, content: bytes, *, run: str = "run-1", times: int = 1) -> dict[str, Any]:
        boto3.client("s3", "us-east-1").put_object(Bucket="uploads", Key=f"uploads/{import_id}", Body=content)
        enter("dyno_import_jobs")
        event = json.loads((EVENTS / "import_jobs.json").read_text())
        event["detail"]["object"] |= {"key": f"uploads/{import_id}", "size": len(content)}
        told = [jobs_door.handler(event, Context(run)) for _ in range(times)]  # type: ignore[arg-type]
        engine(settings(), answer_timeout_s=None).dispose()
        return told[-1]

    return put


@pytest.fixture
def meanwhile(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Runs a statement in the midst of an import."""
    enrol = people.people

    def plant(statement: str) -> None:
        monkeypatch.setattr(people, "people", lambda *of: (lab.sql(statement), enrol(*of))[1])

    return plant


def report_of(answer: Answer) -> Any:
    """What stands at the address of the report."""
    key = urlsplit(answer.body["report"]["url"]).path.removeprefix("/")
    return json.loads(boto3.client("s3", "us-east-1").get_object(Bucket="uploads", Key=key)["Body"].read())


def test_a_large_file_is_announced_sent_and_imported(
    lab: Lab, announce: Any, ask: Any, arrive: Arrive, printed: Printed
) -> None:
    book = workbook(KEPT)
    made = announce(book, XLSX, filename="lab.xlsx")
    before = ask(made.body["import_id"])

    told = arrive(made.body["import_id"], book)

    after = ask(made.body["import_id"])
    report = report_of(after)
    assert (made.status, before.body["status"], told["outcome"], after.body["status"]) == (
        *(201, "awaiting_upload"),
        *("succeeded", "succeeded"),
    )
    assert (after.body["rows_done"], after.body["rows_total"]) == (8, 8)
    assert (after.body["counts"]["booked"], after.body["problem"]) == (2, None)
    assert {name: report[name] for name in ("counts", "planning", "sheets")} == {
        name: after.body[name] for name in ("counts", "planning", "sheets")
    }
    assert (len(report["rows"]), lab.sql("select count(*) from occupancies where kind = 'allocation'")) == (8, 2)
    assert lab.rows("select distinct booked_by from occupancies where kind = 'allocation'") == [("admin",)]
    [line] = [json.loads(each) for each in printed().splitlines() if '"dyno-call/1"' in each and "import_file" in each]
    assert (line["user_id"] if "user_id" in line else line["sub"], line["outcome"]) == ("admin", "success")
    assert line["correlation_id"] == made.headers["X-Correlation-Id"]


def test_an_address_takes_the_announced_file_and_no_other(announce: Any) -> None:
    made = announce(GOOD)

    upload = made.body["upload"]
    assert upload["headers"] == {"content-length": str(len(GOOD)), "content-type": CSV, "if-none-match": "*"}
    assert urlsplit(upload["url"]).path == f"/uploads/{made.body['import_id']}"
    assert "content-length%3Bcontent-type%3Bhost%3Bif-none-match" in upload["url"]
    assert datetime.fromisoformat(upload["expires_at"]) > datetime.now(UTC)


def test_a_file_that_comes_twice_is_imported_once(lab: Lab, announce: Any, ask: Any, arrive: Arrive) -> None:
    import_id = announce(GOOD).body["import_id"]
    arrive(import_id, GOOD)
    before = everything(lab)

    told = arrive(import_id, GOOD, run="run-2")

    assert (told["outcome"], everything(lab), ask(import_id).body["counts"]["created"]) == ("over", before, 2)


def test_what_is_refused_leaves_nothing_behind_and_says_why(lab: Lab, announce: Any, ask: Any, arrive: Arrive) -> None:
    import_id = announce(BAD).body["import_id"]
    before = everything(lab)

    arrive(import_id, BAD)

    said = ask(import_id)
    assert (said.body["status"], said.body["problem"]["code"], said.body["problem"]["status"]) == (
        *("failed", "import_invalid"),
        422,
    )
    assert (said.body["counts"]["refused"], everything(lab)) == (1, before)
    assert [row["outcome"] for row in report_of(said)["rows"]] == ["created", "refused"]


def test_how_it_is_to_be_imported_is_said_with_the_announcement(
    lab: Lab, announce: Any, ask: Any, arrive: Arrive
) -> None:
    content = f"Fahrgestellnummer,Weight (lbs),Drive,Program\n{VIN},5000,AWD,Größe\nno vin,5,AWD,P1\n".encode("cp1252")
    wanted = {"columns": {"*": {"Fahrgestellnummer": "vin"}}, "charset": "windows-1252", "partial": True}
    import_id = announce(content, **wanted).body["import_id"]

    arrive(import_id, content)

    assert (ask(import_id).body["status"], lab.rows("select program from vehicles")) == ("succeeded", [("Größe",)])


def test_a_dry_run_of_a_large_file_changes_nothing(lab: Lab, announce: Any, ask: Any, arrive: Arrive) -> None:
    import_id = announce(GOOD, dry_run=True).body["import_id"]
    before = everything(lab)

    arrive(import_id, GOOD)

    said = ask(import_id)
    assert (said.body["status"], said.body["counts"]["created"], everything(lab)) == ("succeeded", 2, before)


def test_a_file_that_is_no_sheet_is_a_problem(announce: Any, ask: Any, arrive: Arrive) -> None:
    import_id = announce(b"PK\x03\x04 and nothing").body["import_id"]

    arrive(import_id, b"PK\x03\x04 and nothing")

    assert (ask(import_id).body["problem"]["code"], ask(import_id).body["report"]) == ("unreadable_file", None)


def test_more_rows_than_a_request_may_have_are_taken(
    lab: Lab, announce: Any, ask: Any, arrive: Arrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_ROWS", 1)
    import_id = announce(GOOD).body["import_id"]

    arrive(import_id, GOOD)

    assert (ask(import_id).body["status"], lab.sql("select count(*) from vehicles")) == ("succeeded", 2)


def test_more_rows_than_are_read_at_all_are_not(
    announce: Any, ask: Any, arrive: Arrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "MAX_ROWS", 1)
    import_id = announce(GOOD).body["import_id"]

    arrive(import_id, GOOD)

    assert ask(import_id).body["problem"]["code"] == "invalid_request"


def test_how_far_it_has_come_is_seen_while_it_runs(
    lab: Lab, announce: Any, ask: Any, arrive: Arrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, ...]] = []
    tell = jobs.Run._tell

    def look(run: jobs.Run, job: jobs_model.Job) -> None:
        tell(run, job)
        seen.append(*lab.rows("select rows_done, rows_total from import_jobs"))

    monkeypatch.setattr(jobs.Run, "_tell", look)
    monkeypatch.setattr(jobs, "TELL_EVERY_S", 0)
    import_id = announce(GOOD).body["import_id"]

    arrive(import_id, GOOD)

    assert seen == [(0, 2), (1, 2), (2, 2)]


def test_who_cannot_be_told_how_far_it_is_makes_nothing_fail(
    lab: Lab, announce: Any, ask: Any, arrive: Arrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise DatabaseUnavailable("planted")

    monkeypatch.setattr(jobs_store, "note", broken)
    import_id = announce(GOOD).body["import_id"]

    arrive(import_id, GOOD)

    assert (ask(import_id).body["status"], lab.sql("select count(*) from vehicles")) == ("succeeded", 2)


def test_whose_account_was_disabled_imports_nothing(lab: Lab, announce: Any, ask: Any, arrive: Arrive) -> None:
    import_id = announce(GOOD).body["import_id"]
    lab.sql("insert into users (sub, role, enrolled_at, disabled_at) values ('admin', 'admin', now(), now())")

    arrive(import_id, GOOD)

    lab.sql("update users set disabled_at = null")
    assert ask(import_id).body["problem"]["code"] == "account_disabled"
    assert lab.sql("select count(*) from vehicles") == 0


def test_who_was_erased_imports_nothing(lab: Lab, announce: Any, ask: Any, arrive: Arrive) -> None:
    done, waiting = (announce(GOOD).body["import_id"] for _ in range(2))
    arrive(done, GOOD)
    user_id = lab.sql("insert into users (sub, role, enrolled_at) values ('admin', 'admin', now()) returning id")
    lab.sql("select erase_user(:id, 1, 'somebody')", id=user_id)

    told = arrive(waiting, GOOD)

    assert (told["outcome"], ask(waiting).status) == ("not_found", 404)
    assert lab.sql("select owner from import_jobs where id = :id", id=done) == f"erased:{user_id}"


def test_what_is_worth_another_try_is_tried_thrice(
    lab: Lab, announce: Any, ask: Any, arrive: Arrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("planted")

    import_id = announce(GOOD).body["import_id"]
    with monkeypatch.context() as patched:
        patched.setattr(store, "plan_alone", late)
        for _ in range(jobs.MOST_RUNS - 1):
            with pytest.raises(Unavailable):
                arrive(import_id, GOOD)
        between = ask(import_id)
        told = arrive(import_id, GOOD)

    said = ask(import_id)
    assert (between.body["status"], said.body["status"], told["outcome"]) == (
        *("running", "failed"),
        "database_unavailable",
    )
    assert (said.body["problem"]["code"], lab.sql("select count(*) from vehicles")) == ("database_unavailable", 0)


def test_an_attempt_that_died_is_told_and_taken_up(lab: Lab, announce: Any, ask: Any, arrive: Arrive) -> None:
    import_id = announce(GOOD).body["import_id"]
    lab.sql("select begin_import(:id, 'died', '1 hour')", id=import_id)
    while_it_lives = arrive(import_id, GOOD, run="another")
    lab.sql("update import_jobs set run_until = now()")
    when_it_is_dead = ask(import_id)

    told = arrive(import_id, GOOD, run="another")

    assert (while_it_lives["outcome"], when_it_is_dead.body["status"], told["outcome"]) == (
        *("running", "interrupted"),
        "succeeded",
    )


def test_an_attempt_that_was_overtaken_keeps_nothing(
    lab: Lab, announce: Any, ask: Any, arrive: Arrive, meanwhile: Callable[[str], None]
) -> None:
    import_id = announce(GOOD).body["import_id"]
    meanwhile("update import_jobs set run = 'another', runs = 2")

    arrive(import_id, GOOD)

    assert (ask(import_id).body["status"], lab.sql("select count(*) from vehicles")) == ("running", 0)


def test_whose_account_is_disabled_while_it_runs_has_imported_nothing(
    lab: Lab, announce: Any, ask: Any, arrive: Arrive, meanwhile: Callable[[str], None]
) -> None:
    import_id = announce(GOOD).body["import_id"]
    meanwhile("insert into users (sub, role, enrolled_at, disabled_at) values ('admin', 'admin', now(), now())")

    arrive(import_id, GOOD)

    lab.sql("update users set disabled_at = null")
    assert (ask(import_id).body["status"], lab.sql("select count(*) from vehicles")) == ("failed", 0)


def test_a_run_that_comes_twice_leaves_the_report_of_the_one_that_did_it(
    lab: Lab, announce: Any, ask: Any, arrive: Arrive
) -> None:
    import_id = announce(GOOD).body["import_id"]
    arrive(import_id, GOOD)
    lab.sql("update import_jobs set status = 'running', finished_at = null")  # as the other of two at once saw it
    done = lab.sql("select result from import_jobs")
    arrive(import_id, GOOD)
    again = report_of(ask(import_id))
    lab.sql("update import_jobs set result = cast(:done as jsonb)", done=json.dumps(done))

    first = report_of(ask(import_id))

    assert (first["counts"]["created"], again["counts"]["unchanged"]) == (2, 2)


def test_a_fault_of_ours_is_told_as_one_and_shows_as_an_error_of_the_function(
    announce: Any, ask: Any, arrive: Arrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    import_id = announce(GOOD).body["import_id"]
    monkeypatch.setattr(store, "plan_alone", broken)

    with pytest.raises(ZeroDivisionError):
        arrive(import_id, GOOD)

    assert ask(import_id).body["problem"] | {"correlation_id": ""} == {
        "type": "urn:dyno-agent:problem:internal_error",
        "title": "Something broke on our side",
        "status": 500,
        "detail": "The fault is recorded under the correlation id.",
        "code": "internal_error",
        "correlation_id": "",
        "errors": [],
    }


@pytest.mark.parametrize(
    ("wanted", "status", "field"),
    [
        ({"size_bytes": 0}, 422, "body.size_bytes"),
        ({"size_bytes": jobs_model.MAX_UPLOAD_BYTES + 1}, 413, None),
        ({"content_type": "text/plain"}, 422, "body.content_type"),
        ({"kind": "cars"}, 422, "body.kind"),
        ({"columns": {"*": {"VIN": 1}}}, 422, "body.columns.*.VIN"),
        ({"charset": "ebcdic"}, 422, "body.charset"),
        ({"url": "http://elsewhere"}, 422, "body.url"),
    ],
)
def test_an_announcement_that_can_never_succeed_is_refused(
    lab: Lab, announce: Any, wanted: dict[str, Any], status: int, field: str | None
) -> None:
    said = announce(GOOD, **wanted)

    assert (said.status, [each["field"] for each in said.body["errors"]]) == (status, [field] if field else [])
    assert lab.sql("select count(*) from import_jobs") == 0


def test_a_file_of_another_size_than_announced_is_refused(lab: Lab, announce: Any, ask: Any, arrive: Arrive) -> None:
    import_id = announce(GOOD).body["import_id"]

    arrive(import_id, GOOD + BAD)

    said = ask(import_id).body
    assert (said["problem"]["code"], said["rows_total"], lab.sql("select count(*) from vehicles")) == (
        *("invalid_request", None),
        0,
    )


def test_a_file_that_never_comes_is_expired_and_forgotten_after_a_month(lab: Lab, announce: Any, ask: Any) -> None:
    import_id = announce(GOOD).body["import_id"]
    lab.sql("update import_jobs set upload_until = now() - interval '2 hours'")
    expired = ask(import_id)
    lab.sql("update import_jobs set created_at = now() - interval '31 days'")

    lab.rows("select * from sweep('1 day')")

    assert (expired.body["status"], ask(import_id).status) == ("expired", 404)


def test_an_event_of_another_place_is_refused(enter: Callable[[str], None]) -> None:
    event = json.loads((EVENTS / "import_jobs.json").read_text())
    event["detail"]["object"]["key"] = "reports/1.json"
    enter("dyno_import_jobs")

    with pytest.raises(Exception, match="is no upload"):
        jobs_door.handler(event, Context())  # type: ignore[arg-type]
