from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fleet.oracle import Ask, Dyno, Lab, Outcome, Span, Vehicle, replay, sample_requests, shift_for, summary

MONDAY = date(2027, 1, 4)
EVERYTHING = ("any", "any", "any")


def day(number: int) -> date:
    return MONDAY + timedelta(days=number)


def lab(*dynos: Dyno, today: date = MONDAY) -> Lab:
    vehicles = {vin: Vehicle("2WD", "<10K") for vin in ("V1", "V2", "V3")}
    return Lab({dyno.name: dyno for dyno in dynos}, vehicles, today)


def test_the_sample_requests_come_out_as_pinned() -> None:
    decisions = replay(MONDAY, shift_for(MONDAY))

    assert summary(decisions) == {
        "booked": 437,
        "shifted": 131,
        "no_dyno_available": 124,
        "vehicle_already_allocated": 39,
    }


@given(st.dates(date(2026, 1, 1), date(2040, 12, 31)))
def test_the_first_sample_request_lies_7_to_13_days_ahead_on_its_weekday(today: date) -> None:
    shift = shift_for(today)

    assert 7 <= (sample_requests(shift)[0].start_date - today).days <= 13
    assert shift.days % 7 == 0


def test_the_least_capable_dyno_is_chosen_then_the_first_by_name() -> None:
    narrow = {("evap", "2WD", "<10K")}
    lab_of_three = lab(Dyno("A", rules={("evap", "any", "any")}), Dyno("C", rules=narrow), Dyno("B", rules=narrow))

    chosen = [lab_of_three.decide(Ask(vin, "evap", MONDAY, 1)).dyno for vin in ("V1", "V2", "V3")]

    assert chosen == ["B", "C", "A"]


def test_an_earlier_day_is_worth_more_than_a_less_capable_dyno() -> None:
    narrow = Dyno("Narrow", rules={("evap", "2WD", "<10K")}, taken=[Span(MONDAY, MONDAY)])

    decision = lab(narrow, Dyno("Wide", rules={EVERYTHING})).decide(Ask("V1", "evap", MONDAY, 1))

    assert (decision.dyno, decision.shift_days) == ("Wide", 0)


def test_a_full_day_moves_the_window_to_the_next() -> None:
    decision = lab(Dyno("A", rules={EVERYTHING}, taken=[Span(MONDAY, MONDAY)])).decide(Ask("V1", "evap", MONDAY, 1))

    assert (decision.outcome, decision.start_date, decision.shift_days) == (Outcome.BOOKED, day(1), 1)


def test_turnaround_keeps_the_dyno_but_not_the_vehicle() -> None:
    lab_of_two = lab(Dyno("A", rules={EVERYTHING}, turnaround_days=2))
    lab_of_two.decide(Ask("V1", "evap", MONDAY, 1))

    decision = lab_of_two.decide(Ask("V2", "evap", day(1), 1))

    assert decision.start_date == day(3)


@pytest.mark.parametrize(
    ("drive_type", "weight_class", "outcome"), [("2WD", "<10K", Outcome.BOOKED), ("2WD", ">10K", Outcome.NO_DYNO)]
)
def test_rule_lines_do_not_lend_each_other_their_parts(drive_type: str, weight_class: str, outcome: Outcome) -> None:
    two_lines = lab(Dyno("A", rules={("mileage", "2WD", ">10K"), ("certification", "2WD", "<10K")}))
    two_lines.vehicles["V1"] = Vehicle(drive_type, weight_class)

    assert two_lines.decide(Ask("V1", "certification", MONDAY, 1)).outcome is outcome


def test_a_vehicle_busy_on_every_tried_day_is_the_reason_given() -> None:
    two_dynos = lab(Dyno("A", rules={EVERYTHING}), Dyno("B", rules={EVERYTHING}))
    two_dynos.decide(Ask("V1", "evap", MONDAY, 8))

    assert two_dynos.decide(Ask("V1", "evap", MONDAY, 1)).outcome is Outcome.VEHICLE_BUSY


@pytest.mark.parametrize(
    "ask",
    [
        Ask("V1", "evap", day(-1), 1),
        Ask("V1", "evap", MONDAY, 0),
        Ask("V1", "evap", MONDAY, 181),
        Ask("V1", "evap", day(1_825), 2),
    ],
)
def test_what_can_never_succeed_is_invalid(ask: Ask) -> None:
    assert lab(Dyno("A", rules={EVERYTHING})).decide(ask).outcome is Outcome.INVALID


def test_the_last_day_of_the_horizon_can_be_booked() -> None:
    assert lab(Dyno("A", rules={EVERYTHING})).decide(Ask("V1", "evap", day(1_825), 1)).outcome is Outcome.BOOKED
