"""Bills laid out for people on a terminal, and for machines."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from rich.table import Column, Table
from rich.text import Text

from cdk.bill.bill import Bill
from cdk.bill.inventory import Group
from cdk.bill.prices import AS_OF, REGION

BAR_COLUMNS = 48


def summary(bill: Bill) -> str:
    """Two lines: both sides of the bill with the sum, and what they are of."""
    return (
        f"Bill, {bill.strategy}: application {_usd(bill.of(Group.APPLICATION))} + "
        f"monitoring {_usd(bill.of(Group.MONITORING))} = {_usd(bill.usd)} a month\n"
        f"  at {_requests(bill)} requests a month (-c traffic=), list prices of {REGION} as of {AS_OF}, "
        f"no free tier counted"
    )


def tables(bills: Sequence[Bill]) -> Table:
    """Strategy by strategy, one row for each traffic."""
    columns = ("requests a month", "application", "monitoring", "sum")
    table = Table("strategy", *(Column(name, justify="right") for name in columns), title_justify="left")
    table.title = f"USD a month, list prices of {REGION} as of {AS_OF}, no free tier counted"
    for index, bill in enumerate(bills):
        if index and bill.strategy is not bills[index - 1].strategy:
            table.add_section()
        sums = (bill.of(Group.APPLICATION), bill.of(Group.MONITORING), bill.usd)
        table.add_row(str(bill.strategy), _requests(bill), *map(_usd, sums))
    return table


def chart(bills: Sequence[Bill]) -> Iterator[Text]:
    """
    A bar per bill, grouped by traffic, each group on a scale of its own: 10,000 requests are not 100 million.

    The bar's dark part is the application, its light part the monitoring.
    """
    for requests in dict.fromkeys(bill.traffic.requests for bill in bills):
        group = [bill for bill in bills if bill.traffic.requests == requests]
        most = max(bill.usd for bill in group) or Decimal(1)
        yield Text(f"{_requests(group[0])} requests a month")
        for bill in group:
            yield Text(f"  {bill.strategy:<11}{_bar(bill, most):<{BAR_COLUMNS}} {_usd(bill.usd):>11}")
    yield Text("█ application  ░ monitoring; each group has its own scale")


def document(bills: Sequence[Bill]) -> dict[str, Any]:
    """The bills item by item, for JSON; money and quantities as text, digit for digit."""
    return {"prices_as_of": AS_OF.isoformat(), "region": REGION, "bills": [_document(bill) for bill in bills]}


def _document(bill: Bill) -> dict[str, Any]:
    return {
        "strategy": str(bill.strategy),
        "requests": str(bill.traffic.requests),
        "usd": {**{str(group): str(bill.of(group)) for group in Group}, "sum": str(bill.usd)},
        "items": [
            {
                "group": str(item.group),
                "what": item.what,
                "of": item.of,
                "quantity": f"{item.quantity:f}",
                "unit": item.price.unit,
                "price_usd": str(item.price.usd),
                "usd": str(item.usd),
            }
            for item in bill.items
        ],
        "free": [{"type": free.type, "count": free.count, "reason": free.reason} for free in bill.free],
    }


def _bar(bill: Bill, most: Decimal) -> str:
    whole = round(bill.usd / most * BAR_COLUMNS)
    dark = round(bill.of(Group.APPLICATION) / most * BAR_COLUMNS)
    return "█" * dark + "░" * (whole - dark)


def _usd(exact: Decimal) -> str:
    return f"${exact:,.2f}"


def _requests(bill: Bill) -> str:
    return f"{bill.traffic.requests:,f}"
