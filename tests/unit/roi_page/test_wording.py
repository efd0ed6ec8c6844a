from decimal import Decimal

import pytest

from dyno.roi import wording


@pytest.mark.parametrize(
    ("exact", "said"),
    [
        (Decimal("0.005"), "$0.01"),
        (Decimal("-1456.665"), "-$1,456.67"),
        (Decimal("1456.665"), "$1,456.67"),
        (Decimal(53 * 10**27), "$53,000,000,000,000,000,000,000,000,000.00"),
    ],
)
def test_money_is_said_to_the_cent_however_much_it_is(exact: Decimal, said: str) -> None:
    assert wording.money(exact) == said
