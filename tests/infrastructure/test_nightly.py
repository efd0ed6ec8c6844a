"""What runs by night: at its hour, with its event, as little as it needs, and outside the calls' log."""

import itertools
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.config import Config

from cdk.constructs import storage
from cdk.stage import ROOT
from dyno import database
from dyno.metrics import snapshot
from dyno.metrics.leftovers import ONCE, PATIENT, UNFINISHED_KEY
from dyno.metrics.redrive import RESERVE_S
from dyno.settings import RedriveSettings
from functions.lifecycle import handler as lifecycle
from functions.roi import handler as roi
from tests.infrastructure import checks
from tests.infrastructure.template import Resource, Template, Templates, references, resources, starting, text

NIGHTLY = {
    "Lifecycle": "cron(10 2 * * ? *)",
    "Redrive": "cron(15 2 * * ? *)",
    "Notices": "cron(16 2 * * ? *)",
    "Roi": "cron(20 2 * * ? *)",
}
IDLE_MINUTES = 5
"""After which the cluster pauses, see the database's tests."""


def scheduled(template: Template) -> dict[str, Resource]:
    """Schedules by the function that they call."""
    return {
        next(references(r["Properties"]["Target"]["Arn"])): r["Properties"]
        for r in resources(template, "AWS::Scheduler::Schedule").values()
    }


def of(template: Template, prefix: str) -> Resource:
    """The schedule of a function."""
    (schedule,) = (given for name, given in scheduled(template).items() if name.startswith(prefix))
    return schedule


def reach(template: Template, schedule: Mapping[str, Resource]) -> set[tuple[str, str, str]]:
    """What a schedule may do, by its role."""
    (role,) = references(schedule["Target"]["RoleArn"])
    return checks.permissions(template)[role]


def too_late(template: Template) -> list[str]:
    """Functions that begin when the cluster, woken by the one before, may be asleep again."""
    minutes = sorted(
        (60 * int(match[2]) + int(match[1]), name)
        for name, given in scheduled(template).items()
        for match in [re.match(r"cron\((\d+) (\d+) ", given["ScheduleExpression"])]
        if match
    )
    return [name for (before, _), (at, name) in itertools.pairwise(minutes) if at - before > IDLE_MINUTES]


@pytest.mark.parametrize("prefix", NIGHTLY)
def test_each_is_called_once_a_night_with_its_example_event(each: Templates, prefix: str) -> None:
    schedule = of(each.service, prefix)

    assert (schedule["ScheduleExpression"], schedule["ScheduleExpressionTimezone"]) == (NIGHTLY[prefix], "Etc/UTC")
    assert (schedule["State"], schedule["FlexibleTimeWindow"]) == ("ENABLED", {"Mode": "OFF"})
    example = json.loads((ROOT / "events" / f"{prefix.lower()}.json").read_text())
    assert json.loads(schedule["Target"]["Input"]) == example


def test_nothing_else_is_scheduled(each: Templates, local: Templates) -> None:
    assert len(scheduled(each.service)) == len(scheduled(local.service)) == len(NIGHTLY)


def test_the_database_wakes_up_once_a_night(each: Templates) -> None:
    assert too_late(each.service) == []


def test_a_second_waking_would_be_found(aws: Templates) -> None:
    spoilt = aws.planted().service
    of(spoilt, "Redrive")["ScheduleExpression"] = "cron(25 2 * * ? *)"

    assert len(too_late(spoilt)) == 1


@pytest.mark.parametrize("prefix", NIGHTLY)
def test_a_night_that_fails_is_tried_again_but_not_until_the_next(each: Templates, prefix: str) -> None:
    delivery = of(each.service, prefix)["Target"]["RetryPolicy"]
    call = starting(each.service, "AWS::Lambda::EventInvokeConfig", prefix)["Properties"]

    assert 1 <= delivery["MaximumRetryAttempts"] <= 10
    assert 1 <= call["MaximumRetryAttempts"] <= 2
    assert delivery["MaximumEventAgeInSeconds"] == call["MaximumEventAgeInSeconds"] == 3600


@pytest.mark.parametrize("prefix", NIGHTLY)
def test_a_schedule_may_call_its_function_and_nothing_else(each: Templates, prefix: str) -> None:
    schedule = of(each.service, prefix)
    (role,) = references(schedule["Target"]["RoleArn"])
    (trusted,) = each.service["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]

    assert reach(each.service, schedule) == {("Allow", "lambda:InvokeFunction", text(schedule["Target"]["Arn"]))}
    assert trusted["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trusted["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_a_schedule_that_may_call_every_version_would_be_found(aws: Templates) -> None:
    spoilt = aws.planted().service
    policy = starting(spoilt, "AWS::IAM::Policy", "NightlyRedriveRole")["Properties"]["PolicyDocument"]
    arn = policy["Statement"][0]["Resource"]
    policy["Statement"][0]["Resource"] = [arn, {"Fn::Join": ["", [arn, ":*"]]}]

    assert len(reach(spoilt, of(spoilt, "Redrive"))) == 2


def test_redrive_is_told_where_all_of_it_is(each: Templates) -> None:
    function = starting(each.service, "AWS::Lambda::Function", "Redrive")["Properties"]
    told = function["Environment"]["Variables"]
    settings = RedriveSettings.from_env({name: text(value) for name, value in told.items()})

    assert "VpcConfig" not in function
    assert "FailedBatchesBucket" in settings.failed_batches_bucket
    assert settings.call_log_group_name.startswith("<CallLog")
    assert settings.ingest_function_name.startswith("<IngestFunction")
    assert not any(name.startswith("DATABASE_") for name in told)


def test_what_runs_by_night_does_not_log_where_records_are_looked_for(each: Templates) -> None:
    logs = {
        prefix: starting(each.service, "AWS::Lambda::Function", prefix)["Properties"]["LoggingConfig"]["LogGroup"][
            "Ref"
        ]
        for prefix in ("Allocations", *NIGHTLY)
    }

    assert logs["Lifecycle"] == logs["Redrive"] != logs["Allocations"]
    assert logs["Roi"] == logs["Allocations"]  # what it measures of the lab is to be found there


def test_each_has_the_time_that_it_counts_on(each: Templates) -> None:
    timeouts = {
        prefix: starting(each.service, "AWS::Lambda::Function", prefix)["Properties"]["Timeout"]
        for prefix in ("Ingest", *NIGHTLY)
    }

    assert (timeouts["Lifecycle"], timeouts["Redrive"], timeouts["Roi"]) == (300, 900, 300)
    assert timeouts["Lifecycle"] > lifecycle.PATIENCE_S + 2 * lifecycle.ANSWER_TIMEOUT_S
    assert timeouts["Roi"] > roi.PATIENCE_S + 2 * roi.ANSWER_TIMEOUT_S
    # What is written of a batch is looked at first; and so is what is written of its failure.
    of_a_batch, of_its_failure = (
        longest_s(snapshot._s3.__wrapped__(each_s).meta.config)
        for each_s in (snapshot.BATCH_TIMEOUT_S, snapshot.READ_TIMEOUT_S)
    )
    assert timeouts["Ingest"] > database.ANSWER_TIMEOUT_S + 2 * of_a_batch + 2 * of_its_failure


COLD_START_S = 10
"""Lambda Developer Guide: what the initialisation of a function may take; it is no part of the function's timeout."""


def longest_s(config: Any) -> int:
    """
    What a call of AWS may take, all tries of it.

    Source:
        botocore, retry mode "standard": between tries it waits up to 2 ** n s, and never more than 20.
    """
    tries: int = config.retries["total_max_attempts"]
    waits_s = sum(min(1 << retry, 20) for retry in range(tries - 1))
    each_s: int = config.connect_timeout + config.read_timeout
    return tries * each_s + waits_s


def too_slow(ingest_timeout_s: int, once: Any, patient: Any, reserve_s: int) -> list[str]:
    """What redrive's reserve does not outlast, and what its patience with ingest does not."""
    longest = {"ingest": longest_s(once), "the others": longest_s(patient)}
    late = [name for name, seconds in longest.items() if seconds >= reserve_s]
    return late + ["read_timeout"] * (once.read_timeout <= ingest_timeout_s + COLD_START_S)


def ingest_timeout_s(template: Template) -> int:
    return int(starting(template, "AWS::Lambda::Function", "Ingest")["Properties"]["Timeout"])


def test_whatever_redrive_begins_ends_before_its_deadline(each: Templates) -> None:
    assert too_slow(ingest_timeout_s(each.service), ONCE, PATIENT, RESERVE_S) == []


def test_a_call_that_may_outlast_the_reserve_would_be_found(aws: Templates) -> None:
    timeout_s = ingest_timeout_s(aws.service)
    again = ONCE.merge(Config(retries={"mode": "standard", "total_max_attempts": 2}))
    slow = PATIENT.merge(Config(read_timeout=70))

    assert too_slow(timeout_s, again, PATIENT, RESERVE_S) == ["ingest"]
    assert too_slow(timeout_s, ONCE, slow, RESERVE_S) == ["the others"]
    assert too_slow(timeout_s, ONCE, PATIENT, 90) == ["ingest"]
    assert too_slow(75, ONCE, PATIENT, RESERVE_S) == ["read_timeout"]


def test_what_is_unfinished_is_kept_where_it_may_be() -> None:
    assert storage.UNFINISHED_KEY == UNFINISHED_KEY


def unwatched(templates: Templates) -> set[str]:
    """Nightly functions whose errors alarm nobody."""
    watched = {
        text(dimension["Value"])
        for alarm in resources(templates.monitoring, "AWS::CloudWatch::Alarm").values()
        for dimension in alarm["Properties"].get("Dimensions", ())
        if alarm["Properties"].get("MetricName") == "Errors" and alarm["Properties"]["Threshold"] == 1
    }
    return {
        prefix for prefix in NIGHTLY if not any(re.search(f"Ref{prefix}(Carrier)?Function", name) for name in watched)
    }


def test_a_night_that_fails_is_told_of(each: Templates) -> None:
    alarms = resources(each.monitoring, "AWS::CloudWatch::Alarm")
    meanings = [
        alarm["Properties"]["AlarmDescription"]
        for name, alarm in alarms.items()
        if re.match(r"Alerts(Lifecycle|Redrive|Roi)Errors", name)
    ]  # Notices has a section of its own, for the day, too

    assert unwatched(each) == set()
    assert len(meanings) == len(NIGHTLY.keys() - {"Notices"})
    assert all("#a-nights-work-failed" in meaning for meaning in meanings)


def test_a_night_without_an_alarm_would_be_found(aws: Templates) -> None:
    spoilt = aws.planted()
    del spoilt.monitoring["Resources"][
        next(name for name in resources(spoilt.monitoring, "AWS::CloudWatch::Alarm") if "RedriveErrors" in name)
    ]

    assert unwatched(spoilt) == {"Redrive"}


def test_replayed_batches_leave_nothing_in_their_bucket_for_good(each: Templates) -> None:
    bucket = starting(each.data, "AWS::S3::Bucket", "FailedBatches")["Properties"]
    [rule] = bucket["LifecycleConfiguration"]["Rules"]

    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert rule["ExpiredObjectDeleteMarker"] is True
    assert "ExpirationInDays" not in rule
