"""What a deployment may choose, and how a wrong choice is refused."""

from pathlib import Path

import pytest

from cdk.app import build
from cdk.options import Options, RemoteWrite, StageName, Strategy, Tracing, WrongOptionError

ADOT = "arn:aws:lambda:eu-central-1:901920570463:layer:aws-otel-python-arm64-ver-1-32-0:2"

CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/0a1b2c3d-0000-4000-8000-0a1b2c3d4e5f"


def test_nothing_chosen_is_a_small_deployment_on_aws() -> None:
    options = Options.from_context({})

    assert (options.stage, options.monitoring) == (StageName.AWS, Strategy.CLOUDWATCH)
    assert options.tracing is Tracing.XRAY
    assert options.reserved_concurrency is None
    assert options.access_logs
    assert not options.snapstart
    assert (options.waf, options.waf_rate_limit) == (True, 6000)
    assert (options.load_balancer, options.shell, options.remote_write) == (False, False, RemoteWrite.OFF)


@pytest.mark.parametrize(
    ("chosen", "balanced"),
    [
        ({"monitoring_cidr": "203.0.113.0/24"}, True),
        ({"certificate": CERTIFICATE, "monitoring_domain": "watch.example.com"}, True),
        ({"alb": "on", "monitoring_cidr": "203.0.113.7/32"}, True),
        ({"alb": "off"}, False),
    ],
)
def test_a_load_balancer_is_there_if_it_is_said_who_may_come_by_it(chosen: dict[str, str], balanced: bool) -> None:
    assert Options.from_context(chosen).load_balancer is balanced


def test_saying_who_may_come_by_no_load_balancer_is_refused() -> None:
    with pytest.raises(WrongOptionError, match="alb=off"):
        Options.from_context({"alb": "off", "monitoring_cidr": "203.0.113.0/24"})


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
        ("alb", "on", "-c monitoring_cidr=<"),
        ("certificate", CERTIFICATE, "go together"),
        ("certificate", "arn:aws:iam::123456789012:server-certificate/mine", "ARN in ACM"),
        ("monitoring_domain", "https://watch.example.com/", "without scheme"),
        ("monitoring_domain", "watch.example.com", "go together"),
        ("monitoring_cidr", "0.0.0.0/0", "everybody"),
        ("monitoring_cidr", "128.0.0.0/1", "everybody"),
        ("monitoring_cidr", "203.0.113.7/24", "host bits"),
        ("monitoring_cidr", "::/0", "::/0"),
        ("remote_write", "thanos", "one of off, managed"),
        ("exec", "perhaps", "perhaps"),
        ("snapstart", "perhaps", "perhaps"),
        ("waf", "perhaps", "perhaps"),
        ("waf_rate_limit", "9", "10 to 2,000,000,000"),
        ("waf_rate_limit", "2000000001", "10 to 2,000,000,000"),
        ("waf_rate_limit", "many", "many"),
    ],
)
def test_a_wrong_choice_is_refused_with_what_would_do(key: str, value: str, said: str) -> None:
    with pytest.raises(WrongOptionError, match=key) as refusal:
        Options.from_context({key: value})

    assert said in str(refusal.value)


def test_a_limit_for_a_web_acl_that_is_not_there_is_refused() -> None:
    with pytest.raises(WrongOptionError, match="waf=off"):
        Options.from_context({"waf": "off", "waf_rate_limit": "500"})


def test_a_wrong_strategy_stops_the_synth(layers: Path, tmp_path: Path) -> None:
    with pytest.raises(WrongOptionError, match="monitoring=both"):
        build({"layers": str(layers), "monitoring": "both"}, str(tmp_path))
