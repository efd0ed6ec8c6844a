"""One line of a bill, and the month's price of it."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from cdk.bill.inventory import Group, Resource
from cdk.bill.prices import Price

CENT = Decimal("0.01")


@dataclass(frozen=True)
class Item:
    """
    What is paid for.

    Attributes:
        of: The logical id of the resource that it is used on.
        quantity: A month's, in the price's unit.
    """

    group: Group
    what: str
    of: str
    quantity: Decimal
    price: Price

    @property
    def usd(self) -> Decimal:
        """A month's, to the cent: a sum of items is exact."""
        return (self.quantity * self.price.usd).quantize(CENT, ROUND_HALF_UP)


@dataclass(frozen=True)
class Free:
    """Resources that cost nothing by themselves, and why."""

    type: str
    count: int
    reason: str


def application(resource: Resource, what: str, quantity: Decimal, price: Price) -> Item:
    """An item that is paid whatever is watched."""
    return Item(Group.APPLICATION, what, resource.logical_id, quantity, price)


def monitoring(resource: Resource, what: str, quantity: Decimal, price: Price) -> Item:
    """An item of the strategy."""
    return Item(Group.MONITORING, what, resource.logical_id, quantity, price)


def by_stack(resource: Resource, what: str, quantity: Decimal, price: Price) -> Item:
    """An item of whatever its stack is for."""
    return Item(resource.group, what, resource.logical_id, quantity, price)
