import pytest

from dyno.observability import Request, correlation_id, current_request, serving

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
AMZN = "Root=1-6922fa11-0123456789abcdef01234567;Parent=53995c3f42cd8ad8;Sampled=1"


@pytest.mark.parametrize(
    ("headers", "known_by"),
    [
        ({"X-Correlation-Id": "trip-1", "traceparent": TRACEPARENT, "X-Amzn-Trace-Id": AMZN}, "trip-1"),
        ({"x-correlation-id": "a.B_c-9"}, "a.B_c-9"),
        ({"traceparent": TRACEPARENT, "X-Amzn-Trace-Id": AMZN}, "4bf92f3577b34da6a3ce929d0e0e4736"),
        ({"X-Amzn-Trace-Id": AMZN}, "1-6922fa11-0123456789abcdef01234567"),
        ({"X-Amzn-Trace-Id": "Self=1-67891234-12456789abcdef012345678;" + AMZN}, "1-6922fa11-0123456789abcdef01234567"),
        ({}, "gateway"),
        ({"X-Correlation-Id": ""}, "gateway"),
        ({"X-Correlation-Id": "x" * 129}, "gateway"),
        ({"X-Correlation-Id": "a\r\nSet-Cookie: b"}, "gateway"),
        ({"X-Correlation-Id": "é"}, "gateway"),
        ({"traceparent": "00-xyz-1-01"}, "gateway"),
    ],
)
def test_the_first_header_of_the_right_form_names_the_request(headers: dict[str, str], known_by: str) -> None:
    assert correlation_id(headers, "gateway") == known_by


def test_a_request_is_current_only_while_it_is_served() -> None:
    with serving(Request("outer", "ann")):
        with serving(Request("inner")):
            assert current_request() == Request("inner")
        assert current_request() == Request("outer", "ann")
    assert current_request() is None
