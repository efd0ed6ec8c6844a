"""Grafana's dashboards: they are the code's, ask for what there is, and say of each number what it is."""

import inspect
import json
import posixpath
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from cdk.local.promtool import promtool
from cdk.monitoring.grafana import dashboards, provisioning
from cdk.monitoring.grafana.provisioning import RUNBOOK as RUNBOOK_VARIABLE
from cdk.monitoring.prometheus.alerts import BOOKINGS
from cdk.monitoring.prometheus.rules import rules
from cdk.monitoring.runbook import anchor
from dyno.auth import Permission
from dyno.metrics import catalogue, observed
from dyno.metrics.catalogue import BusinessMetric, CallMetric, Family, Kind, Limit, LogMetric, Row, Source, watching
from dyno.metrics.catalogue.naming import family as family_of
from dyno.metrics.model import ObservationTotal
from functions.metrics import handler as metrics
from tests.infrastructure.grafana_panels import (
    Board,
    filled,
    incomplete,
    labels_by_name,
    misplaced,
    queries,
    said,
    strange,
    undefined,
    unknown,
    variables,
)
from tests.infrastructure.rule_scenarios import Scenario, calls, complaint, durations, one, rounded, scraped

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
REPORTS = (ROOT / "docs" / "monitoring.md").read_text()

Plant = Callable[[Board], object]


@pytest.fixture(params=["service", "business"])
def board(request: pytest.FixtureRequest) -> Board:
    return rendered(request.param)


def rendered(name: str) -> Board:
    read: Board = json.loads(dashboards.rendered()[f"{name}.json"])
    return read


def committed() -> dict[str, str]:
    return {path.name: path.read_text() for path in provisioning.RENDERED.iterdir()}


def test_the_rendered_dashboards_are_the_codes() -> None:
    assert dashboards.rendered() == committed(), "run: make docs"


def test_a_dashboard_that_says_something_else_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    renamed = catalogue.SNAPSHOT_TIMESTAMP._replace(help="Planted.")
    monkeypatch.setattr(catalogue, "SNAPSHOT_TIMESTAMP", renamed)

    assert dashboards.rendered() != committed()


def test_what_is_no_dashboard_any_more_is_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboards, "RENDERED", tmp_path)
    (tmp_path / "old.json").write_text("{}")

    dashboards.write()

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == committed()


def test_each_has_a_place_of_its_own_in_grafana_and_renews_itself() -> None:
    service, business = rendered("service"), rendered("business")

    assert (service["title"], service["uid"]) == ("Dyno: service", "dyno-service")
    assert (business["title"], business["uid"]) == ("Dyno: business", "dyno-business")
    assert {service["refresh"], business["refresh"]} == {"30s"}
    assert [service["time"]["from"], business["time"]["from"]] == ["now-6h", "now-30d"]
    assert not any(board["editable"] or "id" in board or "version" in board for board in (service, business))


SHOWN: Mapping[Row, Mapping[str, str]] = {
    Row.SIGNALS: {
        "traffic": r"service_method:dyno_calls:rate5m\{service=~",
        "median": "dyno_call_duration_seconds:p50_5m",
        "slow": "dyno_call_duration_seconds:p95_5m",
        "slowest": "dyno_call_duration_seconds:p99_5m",
        "errors": "dyno_call_errors:ratio_rate5m",
        "what is used up": r"ratio_rate1h.* / 0.005",
        "what broke": "Calls that broke",
    },
    Row.BOOKINGS: {
        "by outcome": r"sum by \(outcome\).*auto_allocate",
        "refused": "dyno_call_rejections:rate5m",
        "why": "GET /metrics/demand",
        "placed": "`Allocations`",
    },
    Row.PIPELINE: {
        "lag": "dyno_ingest_lag_seconds",
        "failing": r"time\(\) - max \(dyno_ingest_failing_since_seconds",
        "dead letters": "reason:dyno_dead_letters:increase5m",
        "open ones": r"max by \(reason\) \(dyno_open_dead_letters\)",
        "readable": r"min \(dyno_snapshot_readable\)",
        "age": r"time\(\) - max \(dyno_snapshot_timestamp_seconds",
        "batches": "`AWS/Lambda` `AsyncEventsDropped`",
    },
    Row.API: {"elsewhere": "`AWS/ApiGateway` `Latency`"},
    Row.FUNCTIONS: {"elsewhere": "`AWS/Lambda` `Throttles`", "cold starts": "`ColdStart`"},
    Row.DATABASE: {"elsewhere": "`AWS/RDS` `ACUUtilization`"},
}
"""What somebody looks for in each row of the service's dashboard, as on CloudWatch's, or where else it is."""


def rows(board: Board) -> dict[str, str]:
    """What the panels of each row say and ask, in the order of the rows; the first have no heading."""
    found = {"": ""}
    for panel in sorted(board["panels"], key=lambda each: (each["gridPos"]["y"], each["gridPos"]["x"])):
        if panel["type"] == "row":
            found[panel["title"]] = ""
        else:
            exprs = "\n".join(target["expr"] for target in panel.get("targets", ()))
            content = panel.get("options", {}).get("content", "")
            found[list(found)[-1]] += f"{panel['title']}\n{panel['description']}\n{exprs}\n{content}\n"
    return found


def unseen(board: Board) -> set[str]:
    seen = rows(board)
    return {
        f"{row}: {what}"
        for row, wanted in SHOWN.items()
        for what, pattern in wanted.items()
        if not re.search(pattern, seen.get(row, ""))
    }


def test_the_service_is_shown_row_by_row_as_on_cloudwatchs_dashboard() -> None:
    service = rendered("service")

    assert unseen(service) == set()
    assert [row for row in rows(service) if row in set(Row)] == [row for row in Row if row is not Row.LAB]
    assert re.search(r"ALERTS.*error budget left.*\[30d:5m\].*up\{.*dyno_build_info", rows(service)[""], re.DOTALL)


def test_a_panel_that_is_lost_would_be_missed() -> None:
    planted = rendered("service")
    planted["panels"] = [panel for panel in planted["panels"] if panel["title"] != "Duration p95"]

    assert unseen(planted) == {f"{Row.SIGNALS}: slow"}


def test_the_lab_is_shown_by_what_the_night_records() -> None:
    seen = rows(rendered("business"))

    for metric in catalogue.BUSINESS_METRICS:
        assert f"{metric.name}\n{metric.help}" in seen[Row.LAB]
        assert seen[Row.LAB].count(f"max ({family_of(metric).name})") == 2
    assert "dyno_calls:increase5m" in seen[Row.BOOKINGS]
    assert "dyno_call_rejections" in seen[Row.BOOKINGS]
    for family in catalogue.EARLIER:
        assert (family.name in seen["This month so far"]) == (family.kind is Kind.GAUGE)


def test_every_family_is_on_a_dashboard() -> None:
    asked = " ".join(query["expr"] for name in ("service", "business") for query in queries(rendered(name)))

    for family in catalogue.FAMILIES:
        assert family.name.removesuffix("_total") in asked, family.name


@pytest.mark.parametrize("metric", catalogue.BUSINESS_METRICS, ids=lambda metric: metric.name)
def test_the_nights_families_are_called_what_the_exposition_calls_them(metric: BusinessMetric) -> None:
    total = ObservationTotal(name=metric.name, kind="gauge", unit=metric.unit, labels={}, value=1.0)

    (family,) = observed.observed([total])

    assert (family.name, family.kind) == (family_of(metric).name, family_of(metric).kind)


def test_only_series_are_asked_for_that_there_are_by_labels_that_they_have(board: Board) -> None:
    assert unknown(board) == set()
    assert strange(board) == set()


def first(board: Board, pattern: str) -> dict[str, Any]:
    """The first query that asks for something."""
    return next(query for query in queries(board) if re.search(pattern, query["expr"]))


@pytest.mark.parametrize(
    "expression",
    [
        'sum by (method) (rate(dyno_call_total{job="up"}[5m])) or up',
        "1 - service_method:dyno_call:rate5m / up",
        "histogram_quantile(0.5, dyno_call_duration_seconds)",
        "max (dyno_business_hours_saved_ratio)",
    ],
)
def test_a_series_that_nobody_makes_would_be_found(expression: str) -> None:
    planted = rendered("service")
    first(planted, "^min").update(expr=expression)

    assert len(unknown(planted)) == 1


@pytest.mark.parametrize(
    ("expression", "legend", "label"),
    [
        ('dyno_calls_total{status="error"}', "", "status"),
        ("sum by (outcome) (service_method:dyno_calls:rate5m)", "", "outcome"),
        ("sum by (service, reason) (rate(dyno_calls_total[2m]))", "", "reason"),
        ("reason:dyno_dead_letters:increase5m", "{{reason}} {{method}}", "method"),
        ("sum by (service) (rate(dyno_calls_total[2m]))", "{{method}}", "method"),
    ],
)
def test_a_label_that_a_series_has_not_would_be_found(expression: str, legend: str, label: str) -> None:
    planted = rendered("service")
    first(planted, "^min").update(expr=expression, legendFormat=legend)

    assert {each for _, each in strange(planted)} == {label}


def complaints(board: Board, folder: Path) -> str:
    """What promtool has against the queries, each as a rule."""
    recorded = [{"record": f"panel:{n}", "expr": filled(query["expr"])} for n, query in enumerate(queries(board))]
    path = folder / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    done = subprocess.run([promtool(), "check", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or done.stderr
    return done.stderr if done.returncode else ""


@pytest.mark.needs("promtool")
def test_prometheus_can_read_every_query(board: Board, tmp_path: Path) -> None:
    assert complaints(board, tmp_path) == ""


@pytest.mark.needs("promtool")
@pytest.mark.parametrize("expression", ["sum by (method (up)", "rate(up)", "up{service=~$service}", "1 -"])
def test_a_query_that_prometheus_cannot_read_would_be_found(expression: str, tmp_path: Path) -> None:
    planted = rendered("service")
    first(planted, "^min").update(expr=expression)

    assert "panel:" in complaints(planted, tmp_path) or "could not parse" in complaints(planted, tmp_path)


def busy(failing: int) -> dict[str, str]:
    """A lab in which everything goes on; of 400 bookings in 30 seconds so many fail."""
    info = {family.name: one(family, "1x200", **dict.fromkeys(family.labels, "r1")) for family in INFOS}
    method = dict(zip(catalogue.DIMENSIONS, catalogue.AUTO_ALLOCATE, strict=True))
    gauges = [*map(family_of, catalogue.BUSINESS_METRICS), *(each for each in catalogue.EARLIER if plain(each))]
    return (
        scraped()
        | calls("success", f"0+{400 - failing}x200")
        | calls("rejected", "0+0x200")
        | calls("error", f"0+{failing}x200")
        | durations(**{"s0_0464": "0+380x200", "s1_0": "0+400x200", "+Inf": "0+400x200"})
        | one(catalogue.DEAD_LETTERS_TOTAL, "0+1x200", reason="invalid")
        | one(catalogue.OPEN_DEAD_LETTERS, "2x200", reason="invalid")
        | one(catalogue.ALLOCATION_REQUESTS, "0+1x200", **method, status="success")
        | one(catalogue.ALLOCATION_DURATION, "0+1x200", "_bucket", **method, le="0.1")
        | one(catalogue.ALLOCATION_DURATION, "0+1x200", "_bucket", **method, le="+Inf")
        | {name: values for series in info.values() for name, values in series.items()}
        | {name: values for gauge in gauges for name, values in one(gauge, "0.5x200").items()}
    )


INFOS = [family for family in catalogue.FAMILIES if family.kind is Kind.INFO]


def plain(family: Family) -> bool:
    return family.kind is Kind.GAUGE and not family.labels


def answered(board: Board, folder: Path) -> str:
    """What promtool complains of, if each query has to have an answer while everything goes on."""
    asked = [(60.0, f"clamp_max(count({filled(query['expr'])}), 1)", 1.0) for query in queries(board)]
    return complaint(rules(""), Scenario("everything goes on", busy(40), {}, asked).test(), folder)


@pytest.mark.needs("promtool")
def test_while_everything_goes_on_every_query_has_an_answer(board: Board, tmp_path: Path) -> None:
    assert answered(board, tmp_path) == ""


@pytest.mark.needs("promtool")
@pytest.mark.parametrize("expression", [f"up{BOOKINGS}", "max by (reason) (dyno_open_dead_letters) > 2"])
def test_a_query_that_is_never_answered_would_be_found(expression: str, tmp_path: Path) -> None:
    planted = rendered("service")
    first(planted, "^min").update(expr=expression)

    assert "FAILED" in answered(planted, tmp_path)


@pytest.mark.needs("promtool")
def test_the_numbers_are_what_goes_on(tmp_path: Path) -> None:
    service, business = rendered("service"), rendered("business")
    expected = {
        first(service, r"\[30d")["expr"]: 0.5,  # of a budget of 2 in 400
        first(service, "ratio_rate1h")["expr"]: 0.5,
        first(service, "ratio_rate5m")["expr"]: 0.0025,
        first(service, "^service_method:dyno_calls:rate5m")["expr"]: 13.3335,
        first(service, "p95_5m")["expr"]: 0.0465,
        first(service, r"time\(\) - max \(dyno_snapshot")["expr"]: -1000,  # of a clock that begins with 0
        first(business, "hours_saved")["expr"]: 0.5,
        f"sum({first(business, 'increase5m')['expr']})": 48000,
    }
    values = [(60.0, rounded(filled(expr)).replace("0.01", "0.0005"), value) for expr, value in expected.items()]

    assert complaint(rules(""), Scenario("few fail", busy(1), {}, values).test(), tmp_path) == ""


def test_every_panel_says_what_it_shows_in_which_unit_and_of_which_source(board: Board) -> None:
    assert incomplete(board) == []


@pytest.mark.parametrize(
    "plant",
    [
        lambda panel: panel.pop("title"),
        lambda panel: panel.update(description=""),
        lambda panel: panel["fieldConfig"]["defaults"].pop("unit"),
        lambda panel: panel["fieldConfig"]["defaults"].update(unit="ms"),
        lambda panel: panel["datasource"].update(uid="other"),
        lambda panel: panel["targets"][0].pop("datasource"),
        lambda panel: panel["targets"][0].update(legendFormat=""),
        lambda panel: panel.update(targets=[]),
    ],
)
def test_a_panel_that_does_not_would_be_found(plant: Plant) -> None:
    planted = rendered("service")
    plant(said(planted)[4])

    assert len(incomplete(planted)) == 1


def test_panels_are_numbered_and_lie_beside_each_other(board: Board) -> None:
    assert misplaced(board) == []
    assert [panel["id"] for panel in board["panels"]] == list(range(1, len(board["panels"]) + 1))


@pytest.mark.parametrize(
    "plant",
    [
        lambda panel: panel.update(id=1),
        lambda panel: panel["gridPos"].update(y=panel["gridPos"]["y"] - 1),
        lambda panel: panel["gridPos"].update(x=17),
        lambda panel: panel["gridPos"].update(w=0),
    ],
)
def test_a_panel_out_of_place_would_be_found(plant: Plant) -> None:
    planted = rendered("service")
    third_of_a_line = next(panel for panel in planted["panels"] if panel["gridPos"]["x"] == 16)
    plant(third_of_a_line)

    assert misplaced(planted)


UNITS = {
    "Calls": "cps",
    "Duration p95": "s",
    "Errors, share of calls": "percentunit",
    "Booking: error budget left": "percentunit",
    "IngestLag": "s",
    "CostSavingsUSD": "currencyUSD",
    "AdoptionRate": "percentunit",
    "ActiveUsers": "short",
}


def test_units_are_those_of_what_is_shown() -> None:
    panels = [panel for name in ("service", "business") for panel in said(rendered(name))]
    units = {panel["title"]: panel["fieldConfig"]["defaults"]["unit"] for panel in panels}

    assert {title: units[title] for title in UNITS} == UNITS


def limits(board: Board, title: str) -> list[float]:
    (panel,) = (panel for panel in said(board) if panel["title"] == title)
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    return [step["value"] for step in steps if step["value"] is not None]


def test_lines_are_drawn_where_the_catalogue_promises_to_stay_below() -> None:
    service = rendered("service")

    assert limits(service, "Duration p95") == [2]
    assert limits(service, "Errors, share of calls") == [0.005]
    assert limits(service, "Booking: how fast the error budget burns") == [6, 14.4]
    assert limits(service, "DeadLetters") == [1]
    assert limits(service, "Booking: error budget left") == [0, 0.25]


PARAMETERS = {
    "/prod/metrics/performance": set(re.findall(r"`(\w+)`", REPORTS.split("## GET /metrics/prometheus")[0])),
    "/prod/metrics/calls": set(inspect.signature(metrics.calls).parameters),
}
"""What may be asked of the API's answers that links lead to."""


def links(board: Board) -> list[str]:
    """Where panels, their lines and the dashboard itself lead."""
    own = [link["url"] for link in board.get("links", ()) if link["type"] == "link"]
    return own + [
        link["url"]
        for panel in said(board)
        for link in (*panel.get("links", ()), *panel["fieldConfig"]["defaults"].get("links", ()))
    ]


def broken(board: Board) -> list[str]:
    """Links that lead nowhere, with the addresses put in."""
    sections = {anchor(heading) for heading in re.findall(r"^## (.+)", RUNBOOK, re.MULTILINE)}
    return [link for link in links(board) if undefined(link, board) or not _leads(link, sections)]


def _leads(link: str, sections: set[str]) -> bool:
    if link.startswith(f"{RUNBOOK_VARIABLE}#"):
        return urlsplit(link).fragment in sections
    given = urlsplit(link.replace("${api:raw}", "https://api.example/prod/metrics/prometheus/../.."))
    asked = set(parse_qs(given.query))
    return bool(asked) and asked <= PARAMETERS.get(posixpath.normpath(given.path), set())


THE_CALL = "${api:raw}/metrics/calls?correlation_id=${correlation_id:percentencode}"


def test_every_link_leads_to_the_api_or_to_a_section_of_the_runbook(board: Board) -> None:
    assert broken(board) == []


def test_a_line_of_calls_leads_to_its_method_and_an_objective_to_what_to_do() -> None:
    service = rendered("service")
    of_calls = {panel["title"]: links({"panels": [panel]}) for panel in said(service)}

    for title in ("Calls", "Duration p95", "Errors", "Rejections"):
        assert any("method=${__field.labels.method}" in link for link in of_calls[title]), title
        assert THE_CALL in of_calls[title], title
    for title, section in {"Duration p95": "bookings-are-slow", "Errors, share of calls": "bookings-fail"}.items():
        assert f"{RUNBOOK_VARIABLE}#{section}" in of_calls[title]
    (how,) = (panel["options"]["content"] for panel in said(service) if "one call" in panel["title"])
    assert f"]({THE_CALL})" in how
    assert f"`curl -H 'Authorization: Bearer …' '{THE_CALL}'`" in how
    assert Permission.VIEW_METRICS in how


def test_every_dashboard_leads_to_the_call_whose_correlation_id_is_typed_at_its_top(board: Board) -> None:
    typed = {each["name"]: each["query"] for each in board["templating"]["list"] if each["type"] == "textbox"}

    assert typed["correlation_id"] == ""
    assert THE_CALL in links({"panels": [], "links": board["links"]})


@pytest.mark.parametrize(
    "url",
    [
        "${runbook:raw}#bookings-fial",
        "${handbook}#bookings-fail",
        "${api:raw}/metrics/performence?service=x",
        "${api:raw}/metrics/performance?srevice=x",
        "${api:raw}/metrics/performance",
        "${api:raw}/metrics/call?correlation_id=${correlation_id:percentencode}",
        "${api:raw}/metrics/calls?correlation=${correlation_id:percentencode}",
        "${api:raw}/metrics/calls?correlation_id=${correlation:percentencode}",
        "docs/runbook.md",
    ],
)
def test_a_link_that_leads_nowhere_would_be_found(url: str) -> None:
    planted = rendered("service")
    next(panel for panel in said(planted) if panel.get("links"))["links"][0]["url"] = url

    assert broken(planted) == [url]


def test_a_dashboard_uses_the_variables_that_it_has(board: Board) -> None:
    text = json.dumps([board["panels"], [variable.get("query") for variable in board["templating"]["list"]]])

    assert undefined(text, board) == set()
    assert {"api", "correlation_id", "runbook"} <= variables(board)
    assert ({"service", "method"} <= variables(board)) == (board["uid"] == "dyno-service")


def test_a_variable_that_it_has_not_would_be_found(board: Board) -> None:
    assert undefined('x{a="$servcie"}', board) == {"servcie"}


def test_who_chooses_a_service_is_offered_its_methods() -> None:
    asked = {each["name"]: each["query"] for each in rendered("service")["templating"]["list"]}

    (name,) = re.findall(r"label_values\((\w+), service\)", asked["service"]["query"])
    assert asked["method"]["query"] == f'label_values({name}{{service=~"$service"}}, method)'
    assert {"service", "method"} <= labels_by_name()[name]


CALL = CallMetric(
    "PlantedCalls",
    "Count",
    Source.ERROR,
    "Planted.",
    row=Row.BOOKINGS,
    family=catalogue.CALLS_TOTAL,
    matching=(("outcome", "error"),),
)
LINES = Family("dyno_planted_lines_total", Kind.COUNTER, "Planted.", ("reason",))
LINE = LogMetric(
    "PlantedLines",
    "Count",
    "planted",
    "Planted.",
    objective=Limit("Sum", 7, "P.", "Lines were set aside"),
    family=LINES,
)
NIGHT = BusinessMetric("PlantedNights", "Percent", "Planted.")
ELSEWHERE = LogMetric("PlantedElsewhere", "Count", "planted", "Planted.")
AWS = watching.DEADLOCKS._replace(name="PlantedLoad")
SERVED = Family("dyno_planted_seconds", Kind.HISTOGRAM, "Planted.", ("service",))


def test_a_metric_that_is_added_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "CALL_METRICS", (*catalogue.CALL_METRICS, CALL))
    monkeypatch.setattr(catalogue, "LOG_METRICS", (*catalogue.LOG_METRICS, LINE, ELSEWHERE))
    monkeypatch.setattr(catalogue, "BUSINESS_METRICS", (*catalogue.BUSINESS_METRICS, NIGHT))
    monkeypatch.setattr(catalogue, "FAMILIES", (*catalogue.FAMILIES, LINES, SERVED))
    monkeypatch.setattr(watching, "AWS_METRICS", (*watching.AWS_METRICS, AWS))

    service, business = rendered("service"), rendered("business")

    seen = rows(service)
    assert "service_method:dyno_call_plantedcalls:rate5m" in seen[Row.BOOKINGS]
    assert "reason:dyno_planted_lines:increase5m" in seen[Row.PIPELINE]
    assert "`PlantedElsewhere`" in seen[Row.PIPELINE]
    assert "`PlantedLoad`" in seen[Row.DATABASE]
    assert "by (service, le) (rate(dyno_planted_seconds_bucket" in seen["Everything else that is scraped"]
    assert "dyno_business_planted_nights_ratio" in rows(business)[Row.LAB]
    assert limits(service, "PlantedLines") == [7]
    for board in (service, business):
        assert (unknown(board), strange(board), incomplete(board), misplaced(board)) == (set(), set(), [], [])


def test_grafana_is_told_of_its_data_source_and_where_its_dashboards_are() -> None:
    given = provisioning.files("https://wiki.lab.example/runbook", "/somewhere")

    (source,) = yaml.safe_load(given["grafana/provisioning/datasources/prometheus.yml"])["datasources"]
    (provider,) = yaml.safe_load(given["grafana/provisioning/dashboards/dyno.yml"])["providers"]
    assert (source["uid"], source["url"]) == ("dyno-prometheus", "http://localhost:9090/prometheus")
    assert source["jsonData"] == {"httpMethod": "GET", "timeInterval": "30s"}
    assert (provider["folder"], provider["options"]) == ("Dyno", {"path": "/somewhere/grafana/dashboards"})
    assert (provider["allowUiUpdates"], source["editable"]) == (False, False)
    assert {"grafana/dashboards/service.json", "grafana/dashboards/business.json"} < given.keys()


def test_what_is_filled_in_later_is_the_apis_address_alone() -> None:
    given = provisioning.files("https://wiki.lab.example/runbook")

    found = {place for text in given.values() for place in re.findall("@([A-Z_]+)@", text)}
    assert found == {"SCHEME", "API_HOST", "METRICS_PATH"}
    texts = [json.loads(text) for path, text in given.items() if path.endswith(".json")]
    for board in texts:
        assert [each["query"] for each in board["templating"]["list"] if each["name"] == "runbook"] == [
            "https://wiki.lab.example/runbook"
        ]


def provisioned(runbook: str) -> list[Board]:
    """The dashboards as a deployment's Grafana has them."""
    return [json.loads(text) for path, text in provisioning.files(runbook).items() if path.endswith(".json")]


def astray(board: Board) -> list[str]:
    """Links that no browser could follow, by the values that their variables have."""
    typed = {each["name"]: each["query"] for each in board["templating"]["list"] if each["type"] == "textbox"}
    whole = [re.sub(r"\$\{(\w+):raw\}", lambda found: typed.get(found[1], ""), link) for link in links(board)]
    return [link for link in whole if not re.match("https?://[^/]|@SCHEME@://@API_HOST@", link)]


PATHS = ["docs/runbook.md", "wiki.lab.example/runbook", "//wiki/runbook", "file:///runbook.md", "https:runbook", ""]


@pytest.mark.parametrize("runbook", ["https://wiki.lab.example/runbook", "http://wiki/runbook", *PATHS])
def test_every_link_can_be_followed_wherever_the_runbook_is(runbook: str) -> None:
    assert [astray(board) for board in provisioned(runbook)] == [[], []]


def test_where_the_runbook_has_no_address_panels_say_its_section_in_words() -> None:
    service, linked = (provisioned(each)[1] for each in ("docs/runbook.md", "https://wiki.lab.example/runbook"))

    sections = [link["title"] for panel in said(linked) for link in panel.get("links", ())]
    said_in_words = re.compile(r"\n\n(What to do: .+), in docs/runbook\.md\.$")
    assert [each[1] for panel in said(service) if (each := said_in_words.search(described(panel)))] == sections != []
    assert not any("docs/runbook.md." in described(panel) for panel in said(linked))
    assert "runbook" not in variables(service)
    assert undefined(json.dumps(service["panels"]), service) == set()


def described(panel: dict[str, Any]) -> str:
    return str(panel["description"])


def test_a_link_to_what_is_no_address_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provisioning, "is_address", lambda _: True)

    assert "docs/runbook.md#bookings-fail" in astray(provisioned("docs/runbook.md")[1])
