import traceback
from collections.abc import Callable

import pytest

from dyno.scrub import READ_LIMIT
from dyno.stacktrace import MAX_EXCEPTIONS, MAX_STACK, stack_trace

KEY = "-----BEGIN PRIVATE KEY-----\nzqMIIEvQ\nzqBADANB\n-----END PRIVATE KEY-----"


def raised(make: Callable[[], None]) -> BaseException:
    with pytest.raises(BaseException) as caught:  # noqa: PT011  # whichever it is
        make()
    return caught.value


def noted() -> None:
    error = ValueError("no such key")
    error.add_note(f"tried:\n{KEY}")
    raise error


def over_lines() -> None:
    raise ValueError("no\n[SQL: select 1]\n[parameters: ('a',\n'zqsecret')]")


def noted_in_pieces() -> None:
    error = ValueError("no [parameters: ('a'")
    error.add_note(", 'zqsecret')]")
    raise error


@pytest.mark.parametrize("make", [noted, over_lines, noted_in_pieces])
def test_what_runs_over_lines_is_scrubbed_as_one(make: Callable[[], None]) -> None:
    told = stack_trace(raised(make))

    assert "zq" not in told
    assert "ValueError: no" in told


def test_scrubbed_line_by_line_a_key_in_a_note_would_be_found() -> None:
    assert "zqBADANB" in "".join(traceback.format_exception(raised(noted)))


def chained() -> None:
    try:
        over_lines()
    except ValueError as error:
        raise RuntimeError("gave up") from error


def handled() -> None:
    try:
        over_lines()
    except ValueError:
        raise RuntimeError("gave up")  # noqa: B904  # that is the case


@pytest.mark.parametrize(("make", "between"), [(chained, "direct cause"), (handled, "During handling")])
def test_what_is_cut_off_behind_a_value_takes_no_other_exception_with_it(
    make: Callable[[], None], between: str
) -> None:
    told = stack_trace(raised(make))

    assert "zq" not in told
    before, after = told.split(between)
    assert "ValueError: no\n[SQL: select 1]\n[parameters: …]\n" in before
    assert "in over_lines" in before
    assert after.endswith("RuntimeError: gave up\n")
    assert f"in {make.__name__}" in after


def test_a_plain_error_reads_as_python_tells_it() -> None:
    def fails() -> None:
        raise ValueError("plain")

    error = raised(fails)

    assert stack_trace(error) == "".join(traceback.format_exception(error))


def test_a_chain_reads_as_python_tells_it() -> None:
    def fails() -> None:
        try:
            raise ValueError("first")
        except ValueError as error:
            raise RuntimeError("second") from error

    error = raised(fails)

    assert stack_trace(error) == "".join(traceback.format_exception(error))


def test_a_group_is_told_with_its_parts() -> None:
    def fails() -> None:
        parts = [raised(over_lines), raised(noted)]
        raise ExceptionGroup("two broke", [part for part in parts if isinstance(part, Exception)])

    told = stack_trace(raised(fails))

    assert "zq" not in told
    assert told.count("is one of the following group") == 2
    assert "no such key" in told
    assert told.endswith("ExceptionGroup: two broke (2 sub-exceptions)\n")


def test_of_many_the_nearest_are_kept() -> None:
    error: BaseException = ValueError("0")
    for number in range(1, 500):
        error = _caused(number, error)

    told = stack_trace(error)

    assert told.endswith("ValueError: 499\n")
    assert told.count("ValueError") == MAX_EXCEPTIONS


def _caused(number: int, by: BaseException) -> BaseException:
    error = ValueError(str(number))
    error.__cause__ = by
    return error


def test_what_is_long_keeps_its_end() -> None:
    error: BaseException = ValueError("x" * 100)
    error.add_note("word " * READ_LIMIT)
    for number in range(5):
        error = _caused(number, error)
        error.add_note("word " * READ_LIMIT)

    told = stack_trace(error)

    assert len(told) == MAX_STACK
