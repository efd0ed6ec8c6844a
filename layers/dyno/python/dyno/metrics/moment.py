"""Moments as the lines have them."""

import time

_second = ("", "")


def iso(at_ns: int) -> str:
    """
    A moment in JSON: ISO 8601 in UTC, to the microsecond.

    Args:
        at_ns: Nanoseconds of Unix time.
    """
    # Formatting a date costs more than the rest of the line, so it is done once a second.
    global _second  # noqa: PLW0603
    digits = str(at_ns // 1000).zfill(7)
    at_s, known = digits[:-6], _second
    if known[0] != at_s:
        _second = known = (at_s, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(int(at_s))))
    return f'"{known[1]}.{digits[-6:]}Z"'
