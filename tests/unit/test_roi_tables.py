"""What `make roi` prints, from what the API says."""

import io
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from cdk.local import roi, stack, users
from cdk.local.instance import Instance, LocalStackError
from cdk.local.roi import Wanted
from cdk.local.stack import Stack
from dyno.roi.answers import RoiReport
from dyno.roi.presets import PRESETS
from dyno.roi.report import example
from tests.unit.roi_page.lab import NOW, busy, idle

Answers = dict[str, httpx.Response]
NOBODY = Instance.named("nobody-runs-this")


def json_of(report: Any) -> dict[str, Any]:
    said: dict[str, Any] = report.model_dump(mode="json")
    return said


def answers(**changed: Any) -> dict[str, Any]:
    """What the API says of a busy lab, but for what is changed in both reports."""
    reports = busy().reports()
    return {
        path: json_of(report) | {name: value for name, value in changed.items() if name in type(report).model_fields}
        for path, report in zip(("/metrics/roi", "/metrics/business"), reports, strict=True)
    }


def client(said: dict[str, Any], asked: list[httpx.URL] | None = None) -> httpx.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request.url)
        content = said[request.url.path]
        return httpx.Response(200, text=content) if isinstance(content, str) else httpx.Response(200, json=content)

    return httpx.Client(base_url="http://lab.example", transport=httpx.MockTransport(answer))


def shown(said: dict[str, Any], wanted: Wanted = Wanted()) -> str:  # noqa: B008  # it cannot be changed
    text = io.StringIO()
    with client(said) as of:
        roi.show(of, wanted, Console(file=text, width=140))
    return text.getvalue()


def rows(text: str) -> dict[str, list[str]]:
    """Cells of a table's lines, by the first of them."""
    cells = [[cell.strip() for cell in line.strip("│┃").split("│")] for line in text.splitlines() if "│" in line]
    return {row[0]: row[1:] for row in cells}


def test_the_tables_say_what_the_reports_say() -> None:
    found = rows(shown(answers()))

    assert found["hours saved"] == ["201.4 h", "264.5 h", "339.8 h"]
    assert found["cost savings"] == ["$8,745.20", "$13,445.26", "$19,725.70"]
    assert found["ROI"] == ["162.5 %", "240.8 %", "345.5 %"]
    assert found["payback"] == ["7.6 months", "5.1 months", "3.5 months"]
    assert found["projected, a year"] == ["$203,280.00", "$219,920.00", "$234,480.00"]
    assert found["conflicts eliminated"] == ["100.0 %", "679 of 679"]
    assert found["adoption"] == ["65.0 %", "13 of 20"]
    assert found["dynos in use"] == ["–", "of a month or of some days only"]
    assert found["2026-11-01 to 2026-11-24"] == ["348", "$974.40", "$1,357.20", "$1,931.40", "1"]


@pytest.mark.parametrize(
    ("field", "wrong", "row", "expected"),
    [
        ("cost_savings_usd", 13445.27, "cost savings", "$13,445.27"),
        ("time_saved_hours", 264.45, "hours saved", "264.5 h"),
        ("net_roi_percentage", None, "net ROI", "–"),
        ("net_benefit_usd", -0.5, "net benefit", "-$0.50"),
        ("conflict_elimination_rate", 12.25, "conflicts eliminated", "12.3 %"),
        ("user_adoption_rate", None, "adoption", "–"),
        ("dyno_utilization_rate", 71.25, "dynos in use", "71.3 %"),
    ],
)
def test_another_number_is_another_table(field: str, wrong: float | None, row: str, expected: str) -> None:
    found = rows(shown(answers(**{field: wrong})))

    assert expected in found[row]


def test_dynos_in_use_stand_beside_the_days_that_they_are_counted_in() -> None:
    found = rows(shown(answers(dyno_utilization_rate=71.2, dyno_days_used=445, dyno_days_available=1_625)))

    assert found["dynos in use"] == ["71.2 %", "445 of 1,625 days of dynos"]


@pytest.mark.parametrize(
    ("under", "said"),
    [
        ({"revision": 2, "stored": True}, "revision 2\n"),
        ({"revision": 3, "stored": False}, "revision 3, not stored yet"),
        ({"revision": None, "stored": False}, "provisional, not stored"),
    ],
    ids=["stored", "not yet", "never"],
)
def test_the_heading_says_how_far_a_report_is_final(under: dict[str, Any], said: str) -> None:
    assert said in shown(answers(**under))


def test_a_lab_in_which_nothing_happened_has_tables_too() -> None:
    reports = zip(("/metrics/roi", "/metrics/business"), map(json_of, idle().reports()), strict=True)

    found = shown(dict(reports))

    assert "nothing so far" in found
    assert rows(found)["adoption"] == ["–", "0 of 0"]


@pytest.mark.parametrize("name", PRESETS)
def test_an_example_is_shown_by_its_figures_alone(name: str) -> None:
    said: RoiReport = example(name, PRESETS[name].inputs, NOW)

    found = shown({"/metrics/roi": json_of(said)}, Wanted(preset=name))

    assert f"The example {name}" in found
    assert rows(found)["cost savings"][1] == f"${Decimal(said.cost_savings_usd):,.2f}"
    assert "adoption" not in found


def test_what_people_wrote_is_shown_as_they_wrote_it() -> None:
    said = answers()
    said["/metrics/roi"]["assumptions"][0]["reason"] = "[red]a study[/] :smile:"

    assert "[red]a study[/] :smile:" in shown(said)


@pytest.mark.parametrize(
    ("wanted", "query"),
    [
        (Wanted(), ""),
        (Wanted(month="2026-11"), "month=2026-11"),
        (Wanted(start="2026-10-05", end="2026-11-02"), "from=2026-10-05&to=2026-11-02"),
    ],
    ids=["all", "month", "range"],
)
def test_both_reports_are_of_the_period_that_is_asked_for(wanted: Wanted, query: str) -> None:
    asked: list[httpx.URL] = []

    with client(answers(), asked) as of:
        roi.show(of, wanted, Console(file=io.StringIO()))

    assert [url.query.decode() for url in asked] == [query, query]


def problem(status: int, **said: Any) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _: httpx.Response(status, json=said)


def unreachable(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (problem(422, detail="query.month: is written YYYY-MM"), "the API answered 422: query.month: is written"),
        (problem(401, message="Unauthorized"), "the API answered 401: Unauthorized"),
        (lambda _: httpx.Response(502, text="bad\ngateway"), "the API answered 502: bad gateway"),
        (lambda _: httpx.Response(500), "the API answered 500: Internal Server Error"),
        (problem(200, hello="world"), "is no report; is the URL that of the API"),
        (lambda _: httpx.Response(200, text="<html>"), "is no report; is the URL that of the API"),
        (lambda _: httpx.Response(200, json=[]), "is no report; is the URL that of the API"),
        (unreachable, "https://lab.example does not answer: connection refused"),
    ],
)
def test_what_goes_wrong_is_one_plain_line(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[httpx.Request], httpx.Response], said: str
) -> None:
    real = httpx.Client
    monkeypatch.setattr(httpx, "Client", lambda **given: real(**given, transport=httpx.MockTransport(answer)))

    with pytest.raises(LocalStackError) as raised:
        roi.run(NOBODY, Wanted(), Console(file=io.StringIO()), url="https://lab.example", token="a.b.c")

    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("url", "token"), [("https://lab.example", ""), (None, "a.b.c")])
def test_a_deployment_takes_its_address_and_a_token(url: str | None, token: str) -> None:
    with pytest.raises(LocalStackError, match="takes both"):
        roi.run(NOBODY, Wanted(), Console(), url=url, token=token)


def test_without_a_deployment_something_must_run_here() -> None:
    with pytest.raises(LocalStackError, match="nothing is running here"):
        roi.run(NOBODY, Wanted(), Console())


def test_an_example_has_no_page(tmp_path: Path) -> None:
    with pytest.raises(LocalStackError, match="an example has no page"):
        roi.run(NOBODY, Wanted(preset="activity"), Console(), html=tmp_path / "report.html")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """A stack that runs here and a person signed in; what they ask it."""
    asked: list[httpx.Request] = []
    said: dict[str, Any] = answers() | {"/metrics/roi.html": "<!doctype html>"}

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        content = said[request.url.path]
        return httpx.Response(200, text=content) if isinstance(content, str) else httpx.Response(200, json=content)

    running = Stack("", 0, 0, "", "", "", {}, port=8000)
    real = httpx.Client
    monkeypatch.setattr(httpx, "Client", lambda **given: real(**given, transport=httpx.MockTransport(answer)))
    monkeypatch.setattr(stack, "running", lambda _: running)
    monkeypatch.setattr(users, "token", lambda *_: "signed.in.here")
    return asked


@pytest.mark.parametrize(
    ("wanted", "query"),
    [(Wanted(month="2026-11"), "month=2026-11"), (Wanted(), "from=2025-12-01")],
    ids=["month", "all"],
)
def test_the_page_that_is_saved_is_of_the_same_days(
    here: list[httpx.Request], tmp_path: Path, wanted: Wanted, query: str
) -> None:
    text = io.StringIO()

    roi.run(NOBODY, wanted, Console(file=text, width=200), html=tmp_path / "report.html")

    assert (tmp_path / "report.html").read_text() == "<!doctype html>"
    assert here[-1].url == f"http://localhost:8000/metrics/roi.html?{query}"
    assert {request.headers["authorization"] for request in here} == {"Bearer signed.in.here"}
    assert "Saved as" in text.getvalue()


@pytest.mark.usefixtures("here")
def test_a_file_that_cannot_be_written_is_one_plain_line(tmp_path: Path) -> None:
    with pytest.raises(LocalStackError, match="cannot be written: Is a directory"):
        roi.run(NOBODY, Wanted(), Console(file=io.StringIO()), html=tmp_path)
