from datetime import date, timedelta

import pytest

from cdk.local import lab
from tests.unit.fleet import oracle

MONDAY = date(2026, 11, 23)


@pytest.mark.parametrize("days_later", range(15))
def test_the_first_request_lies_seven_to_thirteen_days_ahead_whatever_the_weekday(days_later: int) -> None:
    today = MONDAY + timedelta(days=days_later)

    shift = lab.shift_on(today)

    first = min(ask.start_date for ask in oracle.sample_requests(shift))
    assert 7 <= (first - today).days <= 13
    assert shift.days % 7 == 0
    assert shift == oracle.shift_for(today)
