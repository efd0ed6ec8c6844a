"""
Every fault of what the service needs, at whose door, and what comes of it: one table.

The runbook has a line for each, and each names the tests that cause it and those that take its defence away; a test
of tests/house holds all three together.
"""

from dataclasses import dataclass
from enum import StrEnum


class Answer(StrEnum):
    """What comes of a fault, in the runbook's words."""

    LATER = "503 with `Retry-After`, within 10 s"
    KEY = "503; the same request with its `Idempotency-Key` gives the one booking"
    ITSELF = "nobody notices"
    REFUSED = "a 4xx that says why"
    AGAIN = "Lambda sends it again, then to the failed batches"
    LETTER = "a dead letter"
    FAILS = "the function fails and nothing is half done"
    TOLD = "CloudFormation is told `FAILED`"
    LEFT = "left as it is, and named in the log"
    EMPTY = "200 without counts"
    WAITS = "notices wait, and are told later"


@dataclass(frozen=True)
class Fault:
    """
    A fault.

    Attributes:
        name: The first cell of its line in the runbook.
        doors: The functions that meet it.
        anchor: The section of the runbook that says more.
        tests: Those that cause it, as pytest names them below tests/.
        planted: Those in which its defence is taken away, and the same check fails.
    """

    name: str
    doors: tuple[str, ...]
    answer: Answer
    anchor: str
    tests: tuple[str, ...]
    planted: tuple[str, ...]


API = ("allocations", "exports", "metrics", "roi")
TIMERS = ("lifecycle", "roi", "redrive")
RESOURCES = ("migrate", "bootstrap")

FAULTS = (
    Fault(
        "PostgreSQL is stopped, or starts",
        (*API, "imports", "import_jobs", "metrics_ingest", "lifecycle", "migrate"),
        Answer.LATER,
        "requests-fail",
        (
            "functions/test_import_jobs_door.py::test_what_is_worth_another_try_is_tried_thrice",
            "faults/test_server.py::test_everybody_is_told_to_come_back_and_served_when_it_is_there_again",
            "faults/test_wire.py::test_a_timers_work_fails_and_is_done_the_next_time",
            "e2e/test_survival.py::test_a_minute_without_the_database_loses_nothing_and_stops_no_scrape",
        ),
        ("faults/test_wire.py::test_an_error_that_is_not_translated_would_be_found",),
    ),
    Fault(
        "the connection is refused, or breaks",
        API,
        Answer.LATER,
        "requests-fail",
        (
            "faults/test_wire.py::test_whoever_asks_while_it_breaks_is_told_to_come_back_and_is_served_then",
            "faults/test_wire.py::test_whoever_is_connected_while_it_breaks_is_told_to_come_back_and_is_served_then",
            "faults/test_wire.py::test_a_booking_that_never_arrived_is_made_by_the_retry",
        ),
        ("faults/test_wire.py::test_an_error_that_is_not_translated_would_be_found",),
    ),
    Fault(
        "the answer to a booking is lost",
        ("allocations",),
        Answer.KEY,
        "requests-fail",
        ("faults/test_wire.py::test_a_booking_whose_answer_was_lost_is_the_same_by_its_key",),
        ("faults/test_wire.py::test_without_a_key_a_retry_is_another_attempt",),
    ),
    Fault(
        "the database, or the way to it, is slow or silent",
        API,
        Answer.LATER,
        "requests-fail",
        (
            "faults/test_time.py::test_nobody_waits_for_longer_than_ten_seconds",
            "faults/test_time.py::test_a_connection_that_was_too_slow_is_not_used_again",
        ),
        (
            "faults/test_time.py::test_a_question_without_a_deadline_would_be_found",
            "faults/test_time.py::test_a_deadline_of_each_piece_instead_of_all_would_be_found",
        ),
    ),
    Fault(
        "the certificate is not the database's",
        API,
        Answer.LATER,
        "requests-fail",
        ("integration/database/test_tls.py::test_a_false_server_is_unavailable_and_hears_nothing",),
        ("integration/database/test_tls.py::test_without_the_check_a_false_server_hears_who_we_are",),
    ),
    Fault(
        "a session is ended while nobody uses it",
        API,
        Answer.ITSELF,
        "requests-fail",
        ("faults/test_server.py::test_a_session_that_was_ended_while_idle_is_replaced_and_nobody_notices",),
        ("faults/test_server.py::test_a_connection_that_nobody_looks_at_before_would_be_found",),
    ),
    Fault(
        "a session is ended, or its statement cancelled, in the middle of a booking",
        ("allocations",),
        Answer.LATER,
        "the-database-is-near-its-ceiling",
        ("faults/test_server.py::test_a_booking_that_is_ended_in_the_middle_books_nothing_and_its_retry_does",),
        ("faults/test_server.py::test_a_cancellation_that_is_taken_for_a_bug_would_be_found",),
    ),
    Fault(
        "the database goes away, or ends a session, in the middle of a batch",
        ("metrics_ingest",),
        Answer.AGAIN,
        "batches-are-not-written",
        (
            "faults/test_server.py::test_a_batch_that_is_ended_in_the_middle_is_sent_again_and_counted_once",
            "faults/test_wire.py::test_a_batch_is_sent_again_and_counted_once",
            "integration/metrics/test_conservation.py::test_a_batch_killed_in_the_middle_leaves_nothing",
        ),
        ("faults/test_wire.py::test_a_batch_that_fails_in_silence_would_be_found",),
    ),
    Fault(
        "an environment was frozen, and its session ended meanwhile",
        API,
        Answer.ITSELF,
        "requests-fail",
        (
            "faults/test_thaw.py::test_whoever_thaws_finds_the_session_ended_and_does_not_notice",
            "faults/test_thaw.py::test_after_a_burst_no_session_is_left_and_the_next_request_is_served",
            "faults/test_thaw.py::test_what_was_idle_for_too_long_by_the_wall_clock_is_not_even_looked_at",
        ),
        (
            "faults/test_thaw.py::test_a_connection_that_is_trusted_after_the_thaw_would_be_found",
            "faults/test_thaw.py::test_a_server_that_lets_sessions_be_would_be_found",
        ),
    ),
    Fault(
        "a transaction does not end well",
        (*API, "metrics_ingest", "migrate"),
        Answer.ITSELF,
        "the-database-is-near-its-ceiling",
        ("faults/test_thaw.py::test_a_transaction_that_does_not_end_well_keeps_nobody_awake",),
        ("faults/test_thaw.py::test_a_server_that_lets_sessions_be_would_be_found",),
    ),
    Fault(
        "a role has all its sessions, or the database has no more",
        (*API, "metrics_ingest"),
        Answer.LATER,
        "requests-fail",
        (
            "faults/test_server.py::test_whoever_finds_every_session_of_their_role_taken_is_told_to_come_back",
            "faults/test_crowd.py::test_who_of_a_crowd_gets_no_session_is_told_to_come_back",
            "faults/test_crowd.py::test_an_environment_has_one_session",
        ),
        (
            "faults/test_server.py::test_a_full_role_that_is_taken_for_a_bug_would_be_found",
            "faults/test_crowd.py::test_a_role_that_takes_what_is_everybodys_would_be_found",
            "faults/test_crowd.py::test_an_environment_of_several_would_be_found",
        ),
    ),
    Fault(
        "the function's clock is wrong, and so is its IAM token",
        (*API, "metrics_ingest"),
        Answer.LATER,
        "requests-fail",
        ("faults/test_clock.py::test_a_token_that_was_signed_at_the_wrong_time_is_a_database_to_come_back_to",),
        ("faults/test_clock.py::test_a_refused_token_that_is_taken_for_a_bug_would_be_found",),
    ),
    Fault(
        "the function's clock is wrong, and a caller's token seems to be over",
        API,
        Answer.REFUSED,
        "requests-fail",
        ("faults/test_clock.py::test_a_claim_goes_by_the_functions_clock",),
        ("attacks/test_claims.py::test_a_token_that_is_not_meant_for_it_is_refused_and_would_do_if_nobody_looked",),
    ),
    Fault(
        "the function's clock is wrong, and somebody holds days",
        ("allocations",),
        Answer.ITSELF,
        "bookings-fail",
        ("faults/test_clock.py::test_a_hold_lasts_by_the_databases_clock",),
        ("faults/test_clock.py::test_a_hold_by_the_functions_clock_would_be_found",),
    ),
    Fault(
        "a line is poison, or from days ahead",
        ("metrics_ingest",),
        Answer.LETTER,
        "lines-were-set-aside",
        (
            "faults/test_clock.py::test_a_call_is_kept_at_the_time_its_line_says_unless_nobody_can_believe_it",
            "integration/metrics/test_ingest.py::test_poison_does_not_hold_up_its_batch_and_is_kept_with_its_reason",
        ),
        ("integration/metrics/test_conservation.py::test_a_planted_fault_is_caught",),
    ),
    Fault(
        "a request is malformed",
        API,
        Answer.REFUSED,
        "a-function-crashes",
        (
            "faults/test_events.py::test_a_malformed_request_is_answered_and_breaks_no_function",
            "faults/test_events.py::test_whoever_cannot_be_told_who_they_are_is_served_by_no_door",
        ),
        ("faults/test_events.py::test_a_door_that_leaves_what_it_cannot_read_to_lambda_would_be_found",),
    ),
    Fault(
        "a body is larger than any request needs",
        API,
        Answer.REFUSED,
        "requests-fail",
        ("functions/test_hostile_bodies.py::test_a_body_that_no_request_needs_is_a_413_before_it_is_read",),
        ("functions/test_hostile_bodies.py::test_without_the_limit_it_would_be_read",),
    ),
    Fault(
        "a batch cannot be unpacked",
        ("metrics_ingest",),
        Answer.AGAIN,
        "batches-are-not-written",
        ("faults/test_events.py::test_a_batch_that_cannot_be_unpacked_is_lambdas_to_set_aside_and_changes_nothing",),
        ("faults/test_events.py::test_a_broken_batch_that_is_passed_over_would_be_found",),
    ),
    Fault(
        "lines come twice, in another order, or only to try the subscription",
        ("metrics_ingest",),
        Answer.ITSELF,
        "batches-are-not-written",
        (
            "faults/test_events.py::test_batches_that_come_twice_and_in_any_order_are_counted_once",
            "faults/test_events.py::test_a_control_message_brings_nothing",
            "integration/metrics/test_conservation.py::test_calls_finished_are_rows_and_dead_letters_each_once",
        ),
        (
            "faults/test_events.py::test_a_count_of_whatever_comes_would_be_found",
            "integration/metrics/test_conservation.py::test_a_planted_fault_is_caught",
        ),
    ),
    Fault(
        "an object among the failed batches is none",
        ("redrive",),
        Answer.LEFT,
        "batches-are-not-written",
        (
            "functions/test_redrive_door.py::test_a_strange_object_is_left_and_named_in_the_log",
            "unit/metrics/test_redrive.py::test_what_is_no_failed_batch_is_left_and_counted",
        ),
        ("unit/metrics/test_redrive.py::test_three_batches_that_can_never_be_taken_do_not_block_those_behind_them",),
    ),
    Fault(
        "a timer goes off twice",
        TIMERS,
        Answer.ITSELF,
        "a-nights-work-failed",
        (
            "faults/test_events.py::test_a_night_that_comes_twice_does_its_work_once",
            "functions/test_roi_door.py::test_the_run_of_the_night_stores_what_is_new_once",
            "functions/test_redrive_door.py::test_two_runs_at_once_double_nothing",
        ),
        ("faults/test_events.py::test_a_count_of_whatever_comes_would_be_found",),
    ),
    Fault(
        "a run is told what nobody knows",
        ("roi", "redrive"),
        Answer.FAILS,
        "a-nights-work-failed",
        (
            "faults/test_events.py::test_a_run_that_is_told_what_nobody_knows_does_nothing",
            "faults/test_events.py::test_a_redrive_that_is_told_what_nobody_knows_does_nothing",
        ),
        ("faults/test_events.py::test_a_run_that_takes_anything_for_everything_would_be_found",),
    ),
    Fault(
        "CloudFormation asks again, or to delete",
        RESOURCES,
        Answer.ITSELF,
        "a-deployments-work-in-the-database-failed",
        (
            "faults/test_deployments.py::test_an_event_that_comes_again_is_done_again_and_changes_nothing",
            "faults/test_deployments.py::test_a_delete_is_answered_and_deletes_nothing",
            "faults/test_deployments.py::test_whoever_asks_by_hand_is_answered_and_nobody_is_told",
        ),
        ("faults/test_deployments.py::test_one_who_does_whatever_is_asked_would_be_found",),
    ),
    Fault(
        "CloudFormation asks for what it does not have, or the work fails",
        RESOURCES,
        Answer.TOLD,
        "a-deployments-work-in-the-database-failed",
        (
            "faults/test_deployments.py::test_what_cloudformation_does_not_have_is_told_and_not_done",
            "faults/test_deployments.py::test_a_failure_is_told_and_raised",
        ),
        ("faults/test_deployments.py::test_one_who_does_whatever_is_asked_would_be_found",),
    ),
    Fault(
        "CloudFormation cannot be told",
        RESOURCES,
        Answer.FAILS,
        "a-deployments-work-in-the-database-failed",
        ("faults/test_deployments.py::test_nobody_to_be_told_is_an_error_of_the_function_and_the_work_is_done",),
        ("faults/test_deployments.py::test_one_who_tells_nobody_and_says_so_to_nobody_would_be_found",),
    ),
    Fault(
        "S3 is away, and Prometheus scrapes",
        ("metrics",),
        Answer.EMPTY,
        "records-are-expected-and-none-arrive",
        ("faults/test_storage.py::test_a_scrape_is_answered_and_says_that_it_has_no_counts",),
        ("faults/test_storage.py::test_a_scrape_that_waits_for_longer_would_be_found",),
    ),
    Fault(
        "S3 is away, and a batch has been written",
        ("metrics_ingest",),
        Answer.AGAIN,
        "batches-are-not-written",
        (
            "faults/test_storage.py::test_a_batch_whose_snapshot_cannot_be_written_is_sent_again_and_counted_once",
            "faults/test_storage.py::test_a_batch_waits_longer_than_a_scrape",
        ),
        ("faults/test_storage.py::test_a_snapshot_that_is_lost_in_silence_would_be_found",),
    ),
    Fault(
        "S3 is away, and redrive runs",
        ("redrive",),
        Answer.FAILS,
        "a-nights-work-failed",
        ("faults/test_storage.py::test_redrive_says_that_it_is_not_complete_and_why",),
        ("faults/test_storage.py::test_a_redrive_that_is_content_with_less_would_be_found",),
    ),
    Fault(
        "EventBridge is away, or does not take everything",
        ("notices",),
        Answer.WAITS,
        "notices-stay-behind",
        (
            "functions/test_notices_door.py::test_where_eventbridge_is_away_all_wait",
            "functions/test_notices_door.py::test_entries_that_eventbridge_does_not_take_are_sent_again_and_no_others",
            "functions/test_notices_door.py::test_an_entry_that_is_never_taken_waits_while_the_others_are_sent",
        ),
        ("functions/test_notices_door.py::test_a_failure_that_is_taken_for_success_would_be_found",),
    ),
    Fault(
        "a function dies between a booking's change and its notice, or the notice and its note",
        ("allocations", "notices", "outbox"),
        Answer.WAITS,
        "notices-stay-behind",
        (
            "functions/test_notices_door.py::test_who_dies_between_the_commit_and_the_bell_is_made_up_for_at_night_once",
            "functions/test_notices_door.py::test_who_dies_before_it_is_noted_has_it_sent_again_under_its_id",
        ),
        ("integration/notices/test_outbox.py::test_a_notice_that_is_not_written_would_be_found",),
    ),
)
