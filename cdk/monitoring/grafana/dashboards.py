"""
Grafana's dashboards, from the catalogue.

`python -m cdk.monitoring.grafana.dashboards` writes them where the monitoring task's content takes them from.
"""

from collections.abc import Iterable, Mapping

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DashboardLinkType,
    Panel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from cdk.monitoring.grafana import calls, lab, rows
from cdk.monitoring.grafana.grid import placed
from cdk.monitoring.grafana.panels import SOURCE
from cdk.monitoring.grafana.provisioning import FOLDER, RENDERED, RUNBOOK_NAME, RUNBOOK_UNKNOWN, written
from cdk.monitoring.prometheus.config import SCRAPE_INTERVAL_S, placeholder
from dyno.metrics import catalogue
from dyno.metrics.catalogue import Row

TAG = FOLDER.lower()

API_UNKNOWN = "{}://{}{}/../..".format(*map(placeholder, ("SCHEME", "API_HOST", "METRICS_PATH")))
"""
The address of the API, by what the scrape is told: two folders above /<stage>/metrics/prometheus.

Source:
    RFC 3986, section 5.2.4: whoever asks takes the dots out.
"""

Rows = Mapping[str, Iterable[Panel]]
"""Panels by the row's title."""


def rendered() -> dict[str, str]:
    """The dashboards as Grafana reads them, by the file's name."""
    return {f"{name}.json": written(board) for name, board in {"service": _service(), "business": _business()}.items()}


def write() -> None:
    """Write them, and take away what is none any more."""
    RENDERED.mkdir(exist_ok=True)
    said = rendered()
    for stale in {path.name for path in RENDERED.glob("*.json")} - said.keys():
        (RENDERED / stale).unlink()
    for name, text in said.items():
        (RENDERED / name).write_text(text)


def _service() -> Dashboard:
    board = _begun("service", "Calls, bookings and the way of their records.", since="now-6h")
    for name in catalogue.DIMENSIONS:
        board.with_variable(_choice(name))
    said = {
        "": rows.top(),
        **{str(row): rows.of_service(row) for row in Row if row is not Row.LAB},
        "Everything else that is scraped": rows.others(),
    }
    return _filled(board, said)


def _business() -> Dashboard:
    board = _begun("business", "What the lab books, and what that saves.", since="now-30d")
    said = {str(row): rows.of_business(row) for row in (Row.LAB, Row.BOOKINGS)}
    return _filled(board, {**said, "This month so far": lab.month()})


def _begun(name: str, says: str, *, since: str) -> build.Dashboard:
    board = build.Dashboard(f"{FOLDER}: {name}").uid(f"{TAG}-{name}").description(says).tags([TAG]).readonly()
    board.time(since, "now").refresh(f"{SCRAPE_INTERVAL_S}s").timezone("browser")
    board.tooltip(DashboardCursorSync.CROSSHAIR).link(_siblings()).link(calls.this_call())
    board.with_variable(_typed("api", "API", API_UNKNOWN, "Where the service answers."))
    board.with_variable(_typed(calls.CORRELATION_ID, "Correlation id", "", f"Where '{calls.THIS_CALL}' leads to."))
    return board.with_variable(_typed(RUNBOOK_NAME, "Runbook", RUNBOOK_UNKNOWN, "Where docs/runbook.md is read."))


def _filled(board: build.Dashboard, said: Rows) -> Dashboard:
    whole = board.build()
    whole.panels = placed(said)
    return whole


def _siblings() -> build.DashboardLink:
    """To the other dashboards, in the time that is shown."""
    link = build.DashboardLink(FOLDER).type(DashboardLinkType.DASHBOARDS).tags([TAG])
    return link.keep_time(True).include_vars(True)


def _typed(name: str, label: str, usual: str, says: str) -> build.TextBoxVariable:
    """Something that links are made of; whoever looks may type another."""
    option = VariableOption(selected=True, text=usual, value=usual)
    box = build.TextBoxVariable(name).label(label).description(says).default_value(usual)
    return box.current(option).options([option])


def _choice(dimension: str) -> build.QueryVariable:
    """One, some or all of the values that there are of those chosen before."""
    before = catalogue.DIMENSIONS[: catalogue.DIMENSIONS.index(dimension)]
    chosen = "{" + ",".join(f'{each}=~"${each}"' for each in before) + "}" if before else ""
    values = f"label_values({catalogue.CALLS_TOTAL.name}{chosen}, {dimension})"
    choice = build.QueryVariable(dimension).label(dimension.capitalize()).datasource(SOURCE)
    choice.query({"query": values, "refId": dimension}).sort(VariableSort.ALPHABETICAL_ASC)
    choice.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).multi(True).include_all(True).all_value(".*")
    return choice.current(VariableOption(selected=True, text=["All"], value=["$__all"]))


if __name__ == "__main__":
    write()
