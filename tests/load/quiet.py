"""What there is to see when all is quiet again."""

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.functions.conftest import Caller
from tests.load.asks import Ask, Function, body_of
from tests.load.fleet import ROLES, Fleet
from tests.load.site import DATABASE, Site

TRIES = 5
SETTLE_S = 10
"""Until the server has noticed who is gone."""

MOST_SESSIONS = dict.fromkeys(Function, 1) | {Function.ROI: 2}
"""Of an environment; what keeps the reports by night waits longer for its answers, over a connection of its own."""

ROUTES = (
    ("/allocations/conflicts", Function.ALLOCATIONS),
    ("/metrics/performance", Function.METRICS),
    ("/metrics/business", Function.ROI),
    ("/metrics/roi", Function.ROI),
)
_SESSIONS = """
    select usename, count(*) from pg_stat_activity
     where datname = :database and application_name like 'dyno/%' and usename like 'dyno%' group by usename
"""


def answers(fleet: Fleet) -> dict[str, tuple[int, Any]]:
    """What the doors answer to those who look: by route, the status and the body."""
    return {path: _answer(fleet, path, function) for path, function in ROUTES}


def _answer(fleet: Fleet, path: str, function: Function) -> tuple[int, Any]:
    ask = Ask("afterwards", "GET", path, "afterwards", Caller.ADMIN, function)
    for _ in range(TRIES):  # the connection may have died with the last fault
        said = fleet.invoke(function, ask.event(f"afterwards.{function}")).said
        if said and said.answer and said.answer["statusCode"] != 503:
            return said.answer["statusCode"], body_of(said.answer)
    return 503, None


def sessions(site: Site, counts: Mapping[Function, int]) -> dict[str, tuple[int, int]]:
    """By role of the database, how many sessions there are, and how many the environments may have."""
    may: Counter[str] = Counter()
    for function, count in counts.items():
        may[ROLES[function]] += count * MOST_SESSIONS[function]
    there: dict[str, int] = {}
    give_up_s = time.monotonic() + SETTLE_S
    while time.monotonic() < give_up_s:
        there = {str(row[0]): int(str(row[1])) for row in site.server.run(_SESSIONS, database=DATABASE)}
        if all(count <= may[role] for role, count in there.items()):
            break
        time.sleep(0.5)
    return {role: (there.get(role, 0), may[role]) for role in sorted({*there, *may})}
