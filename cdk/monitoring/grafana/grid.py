"""Where on a dashboard its panels are."""

from collections.abc import Iterable, Mapping

from grafana_foundation_sdk.models.dashboard import GridPos, Panel, RowPanel

from cdk.monitoring.grafana.panels import WHOLE


def placed(rows: Mapping[str, Iterable[Panel]]) -> list[Panel | RowPanel]:
    """
    Rows below each other, each with its heading; all numbered in the order in which they are seen.

    Args:
        rows: Panels by the heading, which may be empty for the first.
    """
    found: list[Panel | RowPanel] = []
    top = 0
    for title, panels in rows.items():
        if title:
            found.append(RowPanel(title=title, grid_pos=GridPos(h=1, w=WHOLE, x=0, y=top)))
            top += 1
        shown = list(panels)
        top = _below(shown, top)
        found += shown
    for number, each in enumerate(found, 1):
        each.id_val = number
    return found


def _below(panels: Iterable[Panel], top: int) -> int:
    """Put panels from the left to the right, and what has no room into the next line; where the next row begins."""
    left, bottom = 0, top
    for panel in panels:
        place = panel.grid_pos or GridPos()
        if left + place.w > WHOLE:
            left, top = 0, bottom
        panel.grid_pos = GridPos(h=place.h, w=place.w, x=left, y=top)
        left, bottom = left + place.w, max(bottom, top + place.h)
    return bottom
