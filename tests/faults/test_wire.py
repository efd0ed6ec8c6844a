"""The wire to the database breaks: before anything is said, and in the middle of what either side says."""

from collections.abc import Callable
from types import ModuleType

import pytest

from dyno import database
from dyno.errors import DynoError
from functions.allocations import handler as allocations
from functions.lifecycle import handler as lifecycle
from functions.metrics_ingest import handler as ingest
from functions.migrate import handler as migrate
from functions.roi import handler as roi
from tests.faults.answers import Told, amiss
from tests.faults.conftest import DOORS, Ask, Book, delivered, logged
from tests.faults.wire import Wire, but_the_end, half
from tests.functions.conftest import Context, Feed
from tests.lab import Lab

Break = Callable[[Wire], None]


def hung_up(wire: Wire) -> None:
    wire.open = False


def cut_towards_the_server(wire: Wire) -> None:
    wire.to_server = half


def cut_towards_us(wire: Wire) -> None:
    wire.to_client = half


BREAKS = (hung_up, cut_towards_the_server, cut_towards_us)


@pytest.mark.parametrize("broken", BREAKS)
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__.split(".")[1])
def test_whoever_asks_while_it_breaks_is_told_to_come_back_and_is_served_then(
    ask: Ask, furnished: Lab, wire: Wire, door: ModuleType, broken: Break
) -> None:
    broken(wire)
    told = ask(door)
    wire.mend()

    assert amiss(told) == []
    assert ask(door).status == 200


@pytest.mark.parametrize("broken", BREAKS)
def test_whoever_is_connected_while_it_breaks_is_told_to_come_back_and_is_served_then(
    book: Book, furnished: Lab, wire: Wire, ask: Ask, broken: Break
) -> None:
    assert ask(allocations).status == 200
    broken(wire)
    told = [book(key="a-key"), book(key="a-key")]
    wire.mend()

    # An open connection does not notice that no new one would be let in.
    assert [amiss(each) for each in told if each.status != 201] == ([] if broken is hung_up else [[], []])
    assert book(key="a-key").status == 201
    assert furnished.sql("select count(*) from occupancies") == 1


@pytest.mark.parametrize("broken", BREAKS)
def test_an_error_that_is_not_translated_would_be_found(
    ask: Ask, furnished: Lab, wire: Wire, broken: Break, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "DatabaseUnavailable", RuntimeError)
    broken(wire)

    assert "is 500" in amiss(ask(allocations))[0]


def same(first: object, told: Told) -> bool:
    """Whether an answer is of the booking that there is."""
    return told.status == 201 and told.body["allocation"]["allocation_id"] == first


def lose_the_answer(book: Book, lab: Lab, wire: Wire, ask: Ask, key: str | None) -> int:
    """Have a booking made and committed whose answer is cut; the booking's id."""
    assert ask(allocations).status == 200
    wire.to_client = but_the_end
    told = book(key=key)
    wire.mend()
    assert amiss(told) == []
    made: int = lab.sql("select id from occupancies")
    return made


def test_a_booking_whose_answer_was_lost_is_the_same_by_its_key(
    book: Book, furnished: Lab, wire: Wire, ask: Ask
) -> None:
    made = lose_the_answer(book, furnished, wire, ask, key="a-key")

    told = book(key="a-key")

    assert same(made, told)
    assert told.answer.headers["Idempotency-Replayed"] == "true"
    assert furnished.sql("select count(*) from occupancies") == 1


def test_without_a_key_a_retry_is_another_attempt(book: Book, furnished: Lab, wire: Wire, ask: Ask) -> None:
    made = lose_the_answer(book, furnished, wire, ask, key=None)

    refused, shifted = book(), book(backup=True, max_backup_days=7)

    assert refused.status == 409
    assert [each["allocation_id"] for each in refused.body["in_the_way"]] == [made]
    assert shifted.body["shift_days"] == 1
    assert not same(made, refused)
    assert not same(made, shifted)  # which is why whoever asks sends a key


def test_a_booking_that_never_arrived_is_made_by_the_retry(book: Book, furnished: Lab, wire: Wire, ask: Ask) -> None:
    assert ask(allocations).status == 200
    wire.to_server = half
    told = book(key="a-key")
    wire.mend()

    assert amiss(told) == []
    assert furnished.sql("select count(*) from occupancies") == 0
    assert book(key="a-key").status == 201


def is_counted_once(lab: Lab, events: list[dict[str, object]]) -> bool:
    return bool(
        lab.sql("select count(*) from metrics") == lab.sql("select sum(calls) from metrics_series") == len(events)
    )


@pytest.mark.parametrize("broken", BREAKS)
def test_a_batch_is_sent_again_and_counted_once(feed: Feed, lab: Lab, wire: Wire, broken: Break) -> None:
    events = logged("a-1", "a-2")
    feed(logged("a-0"))
    broken(wire)
    tries = delivered(feed, events)
    wire.mend()

    assert tries == (1 if broken is hung_up else 0)
    assert delivered(feed, events) == 1
    assert is_counted_once(lab, [*events, *logged("a-0")])


def test_a_batch_that_fails_in_silence_would_be_found(
    feed: Feed, lab: Lab, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swallow(_event: object) -> dict[str, float]:
        return {}

    events = logged("a-1")
    monkeypatch.setattr(ingest, "take_patiently", swallow)
    wire.open = False
    delivered(feed, events)
    wire.mend()

    assert not is_counted_once(lab, events)


@pytest.mark.parametrize(
    ("door", "role"), [(lifecycle, "dyno_lifecycle"), (roi, "dyno_roi"), (migrate, "dyno_owner")], ids=str
)
def test_a_timers_work_fails_and_is_done_the_next_time(
    enter: Callable[[str], None],
    lab: Lab,
    wire: Wire,
    door: ModuleType,
    role: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(door, "PATIENCE_S", 0)
    monkeypatch.setattr("time.sleep", lambda _: None)
    enter(role)
    wire.open = False

    with pytest.raises(DynoError, match="try again"):
        door.handler({}, Context())
    wire.mend()
    assert door.handler({}, Context())
