import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyno.errors import InvalidRequest
from dyno.paging import after, cursor, page

POSITIONS = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=3).map(tuple)


@given(POSITIONS)
def test_a_cursor_continues_behind_the_position_it_was_made_of(position: tuple[int, ...]) -> None:
    made = cursor(position)

    assert after(made, len(position)) == position
    assert set(made) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(st.text())
def test_any_other_text_is_refused_or_read_as_a_position(text: str) -> None:
    try:
        assert all(0 <= number < 2**63 for number in after(text))
    except InvalidRequest:
        return


@given(POSITIONS)
def test_a_cursor_of_another_list_is_refused(position: tuple[int, ...]) -> None:
    with pytest.raises(InvalidRequest):
        after(cursor(position), len(position) + 1)


@pytest.mark.parametrize(("rows", "limit", "shown", "more"), [(0, 1, 0, False), (1, 1, 1, False), (3, 2, 2, True)])
def test_a_page_has_a_next_one_only_if_a_row_is_left(rows: int, limit: int, shown: int, more: bool) -> None:
    made = page([((number,), str(number)) for number in range(rows)], limit)

    assert (len(made.items), made.next_cursor is not None) == (shown, more)
