"""What a dashboard is made of: graphs, figures and text, all of them of the one data source."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common as build_common
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import prometheus, stat, statetimeline, text, timeseries
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    Panel,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.text import TextMode

from cdk.monitoring.grafana.provisioning import DATA_SOURCE_UID, RUNBOOK
from cdk.monitoring.runbook import address

SOURCE = common.DataSourceRef(type_val="prometheus", uid=DATA_SOURCE_UID)

THIRD, WHOLE = 8, 24
"""Widths, in columns; a dashboard has as many as `WHOLE`."""

GRAPH_HEIGHT, FIGURE_HEIGHT = 8, 4

GOOD, WARNING, BAD = "green", "orange", "red"

PLAIN, SECONDS, SHARE, A_SECOND = "short", "s", "percentunit", "cps"
"""Units, as Grafana names them."""

UNITS = {
    "_seconds": SECONDS,
    "_ratio": SHARE,
    "_usd": "currencyUSD",
    "_hours_saved": "h",
    "_bytes": "decbytes",
    "_bytes_per_second": "Bps",
    "_per_second": A_SECOND,
}
"""By how the name of a family ends; the longest end is the one that counts."""


@dataclass(frozen=True)
class Query:
    """
    What is asked.

    Attributes:
        legend: What an answer is called: a template of Grafana's that knows the labels.
    """

    expression: str
    legend: str


@dataclass(frozen=True)
class About:
    """
    What every panel says of itself.

    Attributes:
        says: What is shown, and how to go on from there.
        unit: Grafana's name of it.
        section: The heading in docs/runbook.md of what to do, if it has one.
    """

    title: str
    says: str
    unit: str = PLAIN
    section: str = ""


def unit_of(name: str) -> str:
    """The unit of a family."""
    ends = [end for end in UNITS if name.endswith(end)]
    return UNITS[max(ends, key=len)] if ends else PLAIN


def graph(
    about: About,
    queries: Sequence[Query],
    *,
    limits: Sequence[float] = (),
    links: Sequence[build.DashboardLink] = (),
    bars: bool = False,
) -> Panel:
    """
    Lines over time.

    Args:
        limits: Values from which on it is bad, each drawn as a line.
        links: Where a line's own menu leads.
        bars: Bars on each other, of what adds up.
    """
    panel = timeseries.Panel().height(GRAPH_HEIGHT).span(THIRD).min(0).data_links(list(links))
    panel.show_points(common.VisibilityMode.AUTO).fill_opacity(80 if bars else 5).legend(_legend()).tooltip(_tooltip())
    if bars:
        stacking = build_common.StackingConfig().mode(common.StackingMode.NORMAL)
        panel.draw_style(common.GraphDrawStyle.BARS).stacking(stacking)
    if limits:
        style = build_common.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        panel.thresholds(_steps(GOOD, *((limit, BAD) for limit in limits))).thresholds_style(style)
    return _said(panel, about, [_range(query) for query in queries])


def figure(
    about: About,
    query: Query,
    *,
    steps: Sequence[tuple[float, str]] = (),
    lowest: str = GOOD,
    width: int = THIRD,
    named: bool = False,
) -> Panel:
    """
    What is so now, as one number.

    Args:
        steps: From which value on it has which colour.
        lowest: The colour below them.
        named: Show what it is called instead of the number.
    """
    panel = stat.Panel().height(FIGURE_HEIGHT).span(width).no_value("none yet")
    mode = common.BigValueTextMode.NAME if named else common.BigValueTextMode.VALUE
    last = build_common.ReduceDataOptions().calcs(["lastNotNull"])
    panel.text_mode(mode).graph_mode(common.BigValueGraphMode.NONE).reduce_options(last)
    panel.thresholds(_steps(lowest, *steps)).color_mode(
        common.BigValueColorMode.VALUE if steps else common.BigValueColorMode.NONE
    )
    return _said(panel, about, [_instant(query)])


def states(about: About, query: Query) -> Panel:
    """When what was on: a bar for each answer, for as long as there is one."""
    panel = statetimeline.Panel().height(FIGURE_HEIGHT).span(WHOLE).no_value("nothing was on")
    panel.show_value(common.VisibilityMode.NEVER).mappings([ValueMap({"1": ValueMappingResult(text="on", color=BAD)})])
    return _said(panel, about, [_range(query)])


def note(title: str, says: str, lines: Sequence[str], *, width: int = WHOLE, height: int = 0) -> Panel:
    """Text in Markdown, as high as its lines need."""
    panel = text.Panel().height(height or 3 + len(lines) * 2 // 3).span(width)
    return _said(panel.mode(TextMode.MARKDOWN).content("\n".join(lines)), About(title, says), [])


def link(title: str, url: str) -> build.DashboardLink:
    """Opens beside the dashboard."""
    return build.DashboardLink(title).type(DashboardLinkType.LINK).url(url).target_blank(True)


Drawn = timeseries.Panel | stat.Panel | statetimeline.Panel | text.Panel


def _said(panel: Drawn, about: About, targets: Iterable[prometheus.Dataquery]) -> Panel:
    for number, target in enumerate(targets):
        panel.with_target(target.ref_id(chr(ord("A") + number)))
    if about.section:
        panel.links([link(f"What to do: {about.section}", address(RUNBOOK, about.section))])
    return panel.title(about.title).description(about.says).unit(about.unit).datasource(SOURCE).build()


def _range(query: Query) -> prometheus.Dataquery:
    return _asked(query).range()


def _instant(query: Query) -> prometheus.Dataquery:
    return _asked(query).instant()


def _asked(query: Query) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(query.expression).legend_format(query.legend).datasource(SOURCE)


def _legend() -> build_common.VizLegendOptions:
    legend = build_common.VizLegendOptions().display_mode(common.LegendDisplayMode.LIST).show_legend(True)
    return legend.placement(common.LegendPlacement.BOTTOM)


def _tooltip() -> build_common.VizTooltipOptions:
    return build_common.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)


def _steps(lowest: str, *steps: tuple[float, str]) -> build.ThresholdsConfig:
    every = [Threshold(None, lowest), *(Threshold(value, color) for value, color in steps)]
    return build.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(every)
