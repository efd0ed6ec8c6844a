import json
from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from dyno.metrics.moment import iso

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(st.lists(st.integers(0, 4_000_000_000 * 10**9), min_size=1))
@example([0, 999, 1_000, 999_999_999, 10**9, 1_795_469_718_000_000_999, 1_795_469_718_999_999_999])
def test_a_moment_is_told_to_the_microsecond(moments_ns: list[int]) -> None:
    told = [json.loads(iso(at_ns)) for at_ns in moments_ns]

    assert told == [
        (EPOCH + timedelta(microseconds=at_ns // 1000)).isoformat(timespec="microseconds").replace("+00:00", "Z")
        for at_ns in moments_ns
    ]
