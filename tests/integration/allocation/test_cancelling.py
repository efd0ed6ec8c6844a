import pytest

from dyno.allocation import service
from dyno.auth import Actor
from dyno.errors import AllocationClosed, AllocationNotFound, Forbidden
from tests.lab import ADMIN, ANN, BOB, MONDAY, POWER, Lab


def booked(lab: Lab) -> int:
    lab.dyno("D1")
    lab.vehicle()
    allocation_id = lab.auto_allocate(actor=ANN).allocation_id
    assert allocation_id is not None
    return allocation_id


@pytest.mark.parametrize("actor", [ANN, POWER, ADMIN], ids=["its own", "power_user", "admin"])
def test_cancelling_keeps_the_row_and_frees_the_days(lab: Lab, actor: Actor) -> None:
    allocation_id = booked(lab)

    said = service.cancel_allocation(lab.over, allocation_id, actor=actor)

    assert (said.allocation.status, said.allocation.version) == ("cancelled", 2)
    assert said.allocation.cancelled_at is not None
    assert lab.auto_allocate().allocation_id != allocation_id
    assert lab.rows("select actor from history where occupancy_id = :id and action = 'cancel'", id=allocation_id) == [
        (actor.sub,)
    ]


def test_a_user_may_not_cancel_what_somebody_else_booked(lab: Lab) -> None:
    allocation_id = booked(lab)

    with pytest.raises(Forbidden):
        service.cancel_allocation(lab.over, allocation_id, actor=BOB)
    assert service.get_allocation(lab.over, allocation_id).status == "scheduled"


def test_cancelling_twice_changes_nothing(lab: Lab) -> None:
    allocation_id = booked(lab)
    first = service.cancel_allocation(lab.over, allocation_id, actor=ANN)

    second = service.cancel_allocation(lab.over, allocation_id, actor=ANN)

    assert second == first


@pytest.mark.parametrize("status", ["in_progress", "completed", "lapsed"])
def test_what_has_begun_can_no_longer_be_cancelled(lab: Lab, status: str) -> None:
    allocation_id = booked(lab)
    lab.sql("update occupancies set status = :status", status=status)

    with pytest.raises(AllocationClosed, match=status):
        service.cancel_allocation(lab.over, allocation_id, actor=ADMIN)


def test_a_maintenance_window_is_not_an_allocation(lab: Lab) -> None:
    window_id = lab.maintenance(lab.dyno("D1"), MONDAY)

    with pytest.raises(AllocationNotFound):
        service.cancel_allocation(lab.over, window_id, actor=ADMIN)
    with pytest.raises(AllocationNotFound):
        service.get_allocation(lab.over, window_id)
