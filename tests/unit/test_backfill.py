from collections import Counter
from datetime import date

import pytest

from cdk.local import backfill
from cdk.local.instance import Instance, LocalStackError


def test_days_are_reckoned_a_calendar_month_at_a_time() -> None:
    spans = list(backfill.months(date(2026, 11, 15), date(2027, 2, 3)))

    assert spans == [
        (date(2026, 11, 15), date(2026, 11, 30)),
        (date(2026, 12, 1), date(2026, 12, 31)),
        (date(2027, 1, 1), date(2027, 1, 31)),
        (date(2027, 2, 1), date(2027, 2, 3)),
    ]


@pytest.mark.parametrize(
    ("done", "said"),
    [
        ({"months": 2, "stored_months": 0}, "2 months reckoned; nothing says anything else than before"),
        (
            {"months": 2, "stored_months": 1, "stored_days": 9},
            "2 months reckoned; 1 month and 9 days said something new",
        ),
    ],
)
def test_the_verdict_tells_what_is_new(done: dict[str, int], said: str) -> None:
    assert said in backfill.verdict(Counter(done))


def test_nothing_is_reckoned_where_nothing_runs() -> None:
    with pytest.raises(LocalStackError, match="nothing is running"):
        backfill.run(Instance.named("nobody-runs-this"), None, None, console=None)  # type: ignore[arg-type]
