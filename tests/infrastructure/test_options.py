"""What a deployment may choose, and how a wrong choice is refused."""

from pathlib import Path

import pytest

from cdk.app import build
from cdk.options import Options, StageName, Strategy, Tracing, WrongOptionError

ADOT = "arn:aws:lambda:eu-central-1:901920570463:layer:aws-otel-python-arm64-ver-1-32-0:2"


def test_nothing_chosen_is_a_small_deployment_on_aws() -> None:
    options = Options.from_context({})

    assert (options.stage, options.monitoring) == (StageName.AWS, Strategy.CLOUDWATCH)
    assert options.tracing is Tracing.XRAY
    assert options.reserved_concurrency is None
    assert options.access_logs


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("monitoring", "grafana", "one of cloudwatch, prometheus, hybrid"),
        ("tracing", "zipkin", "one of xray, otel, off"),
        ("stage", "moon", "one of aws, local"),
        ("reserved_concurrency", "few", "few"),
        ("access_logs", "maybe", "maybe"),
        ("lab_time_zone", "Mars/Olympus", "Mars/Olympus"),
        ("log_retention_days", "31", "30"),
        ("name", "dyno-agent", "letters and digits"),
        ("metrics_retention_days", "36", "30 and 7 days"),
        ("otel_layer", ADOT, "tracing=xray"),
        ("tracing", "otel", "-c otel_layer=<ARN of a layer>"),
    ],
)
def test_a_wrong_choice_is_refused_with_what_would_do(key: str, value: str, said: str) -> None:
    with pytest.raises(WrongOptionError, match=key) as refusal:
        Options.from_context({key: value})

    assert said in str(refusal.value)


def test_a_wrong_strategy_stops_the_synth(layers: Path, tmp_path: Path) -> None:
    with pytest.raises(WrongOptionError, match="monitoring=both"):
        build({"layers": str(layers), "monitoring": "both"}, str(tmp_path))
