"""What watching costs a month, by strategy and traffic, beside the usual Prometheus and Grafana."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import partial

from cdk.bill import prices
from cdk.bill.bill import bill
from cdk.bill.inventory import Group, Templates
from cdk.bill.traffic import GIGA, Traffic
from cdk.cost import REQUESTS, synthesized
from cdk.options import Strategy
from dyno.metrics.catalogue import NAMESPACE
from tests.benchmarks.peers.usual_monitoring import usual_monitoring
from tests.benchmarks.row import Contender, Effort, Goal, Role, Row

HTTPS = {
    "certificate": "arn:aws:acm:us-east-1:123456789012:certificate/0a1b2c3d-0000-4000-8000-123456789abc",
    "monitoring_domain": "watch.example.com",
}
BALANCED = "{} behind HTTPS"
USUAL = "the usual three services"
MONTH = 100_000
"""Requests in the month that the goals are about."""

Usd = Callable[[Traffic], Decimal]


@contextmanager
def contenders(effort: Effort) -> Iterator[Sequence[Contender]]:
    """Synthesized once, then reckoned in each round: it is arithmetic, and every round must come to the same."""
    ways = {"the record lines, taken in": (Role.FLOOR, lines_alone), **_strategies(), USUAL: (Role.PEER, usual())}
    yield [
        Contender(name, role, partial(_month, usd, Traffic(requests=Decimal(requests))), case_of(requests))
        for requests in (REQUESTS if not effort.short else [MONTH])
        for name, (role, usd) in ways.items()
    ]


def case_of(requests: int) -> str:
    """A traffic, as a case is called."""
    return f"{requests:,} requests"


def lines_alone(traffic: Traffic) -> Decimal:
    """One line per call into a log, and nothing that looks at it."""
    return traffic.calls * traffic.record_bytes / GIGA * prices.LOGS_INGESTED.usd


def usual() -> Usd:
    """Of what the template holds; no series of ours are counted, for it has none."""
    made = usual_monitoring()

    def usd(traffic: Traffic) -> Decimal:
        items = bill(made, traffic, Strategy.PROMETHEUS).items
        return sum((item.usd for item in items if item.of != NAMESPACE), Decimal(0))

    return usd


def _strategies() -> Mapping[str, tuple[Role, Usd]]:
    without: dict[str, Mapping[str, str]] = {str(strategy): {"monitoring": strategy} for strategy in Strategy}
    behind: dict[str, Mapping[str, str]] = {
        BALANCED.format(strategy): {"monitoring": strategy, **HTTPS}
        for strategy in (Strategy.PROMETHEUS, Strategy.HYBRID)
    }
    return {
        name: (Role.OURS, partial(_watching, synthesized(context), Strategy(context["monitoring"])))
        for name, context in (without | behind).items()
    }


def _watching(made: Templates, strategy: Strategy, traffic: Traffic) -> Decimal:
    return bill(made, traffic, strategy).of(Group.MONITORING)


def _month(usd: Usd, traffic: Traffic) -> float:
    return float(usd(traffic))


_AT = case_of(MONTH)

ROW = Row(
    name="bill",
    asks="What does watching cost a month, the application's own bill apart?",
    unit="USD",
    contenders=contenders,
    goals=[
        Goal(f"cloudwatch, {_AT}", at_most=30),
        Goal(f"prometheus, {_AT}", at_most=30),
        Goal(f"hybrid, {_AT}", at_most=40),
        Goal(f"prometheus behind HTTPS, {_AT}", at_most=55),
        Goal(f"hybrid behind HTTPS, {_AT}", at_most=65),
        Goal(f"prometheus behind HTTPS, {_AT}", over=f"{USUAL}, {_AT}", at_most=0.55),
    ],
    rounds=5,
)
