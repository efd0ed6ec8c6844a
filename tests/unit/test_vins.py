import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dyno.allocation import vins

LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"

vin = st.text(LETTERS + "0123456789", min_size=17, max_size=17)


@pytest.mark.parametrize(
    "good",
    [
        "11111111111111111",
        "1M8GDM9AXKP042788",
        "1HGCM82633A004352",
        "5GZCZ43D13S812715",
        "00000000000000000",
    ],
)
def test_a_vin_with_the_check_digit_of_its_others_checks(good: str) -> None:
    assert vins.checks(good)


@pytest.mark.parametrize(
    "bad",
    [
        "1M8GDM9A0KP042788",
        "1HGCM82633A004353",
        "1HGCM82636A004352",
        "5GZCZ43D13S812751",
        "WP0ZZZ99ZTS392124",
        "111111111X1111111",
        "1m8gdm9axkp042788",
        "1M8GDM9AXKP04278",
        "1M8GDM9AXKP0427888",
        "1M8GDM9AXKP04278\n",
        "IOQ11111111111111",
        "",
    ],
)
def test_a_vin_with_another_check_digit_or_of_another_form_does_not(bad: str) -> None:
    assert not vins.checks(bad)


@pytest.mark.parametrize(("letter", "value"), list(zip(LETTERS, map(int, "12345678123457923456789"), strict=True)))
def test_every_letter_has_the_value_of_the_table(letter: str, value: int) -> None:
    in_first_place = f"{letter}0000000{'0123456789X'[value * 8 % 11]}00000000"

    assert vins.checks(in_first_place)


@settings(deadline=None)
@given(vin)
def test_one_check_digit_and_no_other_makes_a_vin_check(vin: str) -> None:
    digits = [digit for digit in "0123456789X" if vins.checks(f"{vin[:8]}{digit}{vin[9:]}")]

    assert len(digits) == 1


@settings(deadline=None)
@given(vin, st.integers(0, 16), st.sampled_from("0123456789"))
def test_a_digit_that_was_misread_is_noticed(vin: str, place: int, read: str) -> None:
    [digit] = [digit for digit in "0123456789X" if vins.checks(f"{vin[:8]}{digit}{vin[9:]}")]
    right = f"{vin[:8]}{digit}{vin[9:]}"
    wrong = f"{right[:place]}{read}{right[place + 1 :]}"

    if right[place].isdigit() and right != wrong:
        assert not vins.checks(wrong)
