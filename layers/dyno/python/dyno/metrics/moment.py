"""Moments as the lines have them."""

import time

_second = (0, "")


def iso(at_ns: int) -> str:
    """
    A moment in JSON: ISO 8601 in UTC, to the microsecond.

    Args:
        at_ns: Nanoseconds of Unix time.
    """
    # Formatting a date costs more than the rest of the line, so it is done once a second.
    global _second  # noqa: PLW0603
    at_s, rest_ns = divmod(at_ns, 1_000_000_000)
    known = _second
    if known[0] != at_s:
        _second = known = (at_s, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_s)))
    return f'"{known[1]}.{rest_ns // 1000:06d}Z"'
