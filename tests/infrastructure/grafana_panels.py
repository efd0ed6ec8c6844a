"""What is wrong with a dashboard, as far as it can be told without Grafana."""

import re
from collections.abc import Iterator
from typing import Any

from cdk.monitoring.grafana.panels import A_SECOND, PLAIN, SHARE, UNITS, WHOLE
from cdk.monitoring.grafana.provisioning import DATA_SOURCE_UID
from cdk.monitoring.prometheus.recordings import recordings
from dyno.metrics import catalogue
from dyno.metrics.catalogue import Kind
from dyno.metrics.catalogue.naming import family as family_of

Board = dict[str, Any]

SCRAPED = {"job", "instance"}
KEYWORDS = {"and", "or", "unless", "on", "offset", "bool", "by", "sum", "max", "min"}
IN_AGGREGATION = re.compile(r"\b(?:sum|max|min) by \(([\w, ]+)\) \(")


def said(board: Board) -> list[dict[str, Any]]:
    """The panels, without the rows' headings."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries(board: Board) -> list[dict[str, Any]]:
    return [target for panel in said(board) for target in panel.get("targets", ())]


def filled(expression: str) -> str:
    """With Grafana's variables put in, as if all methods were chosen."""
    return re.sub(r"\$(service|method)\b", ".*", expression.replace("$__rate_interval", "2m"))


def labels_by_name() -> dict[str, set[str]]:
    """Every series that there may be, with its labels."""
    known = {"ALERTS": {"alertname", "alertstate", "severity"}, "up": set(SCRAPED)}
    for family in (*catalogue.FAMILIES, *map(family_of, catalogue.BUSINESS_METRICS)):
        own = {*family.labels, *SCRAPED}
        if family.kind is Kind.HISTOGRAM:
            known |= {f"{family.name}_bucket": {*own, "le"}, f"{family.name}_sum": own, f"{family.name}_count": own}
        else:
            known[family.name] = own
    return known | {each.name: set(each.name.split(":")[0].split("_")) for each in recordings()}


def names(expression: str) -> set[str]:
    """Of the series that an expression asks for."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", re.sub(r'"[^"]*"', "", filled(expression)))
    words = re.findall(r"(?<![\w:.])[a-zA-Z_:][\w:]*\b(?! *\()", re.sub(r"\bby \([^)]*\)", "by", bare))
    return set(words) - KEYWORDS


def unknown(board: Board) -> set[str]:
    """Series that nobody makes."""
    return {name for query in queries(board) for name in names(query["expr"])} - labels_by_name().keys()


def strange(board: Board) -> set[tuple[str, str]]:
    """Series with a label that one selects, sums or calls them by, and that they have not."""
    known = labels_by_name()
    return {
        (name, label)
        for query in queries(board)
        for name, label in (*_selected(query["expr"]), *_summed(query["expr"]), *_called(query))
        if label not in known.get(name, set())
    }


def _selected(expression: str) -> Iterator[tuple[str, str]]:
    for name, selector in re.findall(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}", expression):
        yield from ((name, label) for label in re.findall(r"(\w+) *[=!]", selector))


def _summed(expression: str) -> Iterator[tuple[str, str]]:
    for begun in IN_AGGREGATION.finditer(expression):
        for name in names(_until_closed(expression[begun.end() :])):
            yield from ((name, label) for label in begun[1].split(", "))


def _called(query: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """A legend's labels have to be left by what is on the outside."""
    outer = IN_AGGREGATION.search(query["expr"])
    left = set(outer[1].split(", ")) if outer else None
    for label in re.findall(r"\{\{(\w+)\}\}", query["legendFormat"]):
        if left is None:
            yield from ((name, label) for name in names(query["expr"]))
        elif label not in left:
            yield (query["expr"], label)


def _until_closed(text: str) -> str:
    depth = 1
    for at, each in enumerate(text):
        depth += {"(": 1, ")": -1}.get(each, 0)
        if depth == 0:
            return text[:at]
    return text


def incomplete(board: Board) -> list[str]:
    """Panels that do not say what they show, in which unit, or of which data source."""
    units = {*UNITS.values(), PLAIN, SHARE, A_SECOND}
    found = []
    for panel in said(board):
        sources = [panel.get("datasource"), *(target.get("datasource") for target in panel.get("targets", ()))]
        complete = (
            panel.get("title")
            and panel.get("description")
            and panel.get("fieldConfig", {}).get("defaults", {}).get("unit") in units
            and all(source == {"type": "prometheus", "uid": DATA_SOURCE_UID} for source in sources)
            and (panel["type"] == "text" or all(target["legendFormat"] for target in panel["targets"]))
            and (panel["type"] == "text") == (not panel.get("targets"))
        )
        if not complete:
            found.append(str(panel.get("title")))
    return found


def misplaced(board: Board) -> list[int]:
    """Ids of panels that are there twice, lie on others or beyond the edge."""
    taken: set[tuple[int, int]] = set()
    numbers: set[int] = set()
    found = []
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        beyond = at["x"] < 0 or at["x"] + at["w"] > WHOLE or not cells
        if cells & taken or beyond or panel["id"] in numbers or panel["id"] < 1:
            found.append(panel["id"])
        taken |= cells
        numbers.add(panel["id"])
    return found


def variables(board: Board) -> set[str]:
    return {variable["name"] for variable in board["templating"]["list"]}


def undefined(text: str, board: Board) -> set[str]:
    """Variables that a dashboard uses and neither has nor Grafana makes."""
    used = set(re.findall(r"\$\{?(\w+)", text))
    return {name for name in used if not name.startswith("__")} - variables(board)
