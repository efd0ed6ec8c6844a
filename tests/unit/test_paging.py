import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyno.errors import InvalidRequest
from dyno.paging import after, cursor, page


@given(st.integers(0, 2**63 - 1))
def test_a_cursor_continues_behind_the_id_it_was_made_of(last_id: int) -> None:
    made = cursor(last_id)

    assert after(made) == last_id
    assert set(made) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(st.text())
def test_any_other_text_is_refused_or_read_as_an_id(text: str) -> None:
    try:
        assert 0 <= after(text) < 2**63
    except InvalidRequest:
        return


@pytest.mark.parametrize(("rows", "limit", "shown", "more"), [(0, 1, 0, False), (1, 1, 1, False), (3, 2, 2, True)])
def test_a_page_has_a_next_one_only_if_a_row_is_left(rows: int, limit: int, shown: int, more: bool) -> None:
    made = page([(number, str(number)) for number in range(rows)], limit)

    assert (len(made.items), made.next_cursor is not None) == (shown, more)
