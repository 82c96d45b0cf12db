"""How the function's answer is judged: AWS's conditions of success and failure, one by one."""

import pytest

from stockstream.eventsource.invokers.base import InvocationResult
from stockstream.eventsource.response import Failed, Succeeded, outcome_of
from tests.eventsource.scripted import records, result

BATCH = records([10, 11, 12, 100])


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}, {"other": 1}, ""])
def test_these_answers_are_complete_successes(answer: object) -> None:
    assert outcome_of(result(answer), BATCH, report_batch_item_failures=True) == Succeeded()


def test_an_empty_payload_is_a_complete_success() -> None:
    assert outcome_of(InvocationResult("id", b""), BATCH, report_batch_item_failures=True) == Succeeded()


@pytest.mark.parametrize(
    "answer",
    [
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": None}]},
        {"batchItemFailures": [{"itemIdentifer": "11"}]},
        {"batchItemFailures": [{"itemIdentifier": "999"}]},
        {"batchItemFailures": [{"itemIdentifier": 11}]},
        {"batchItemFailures": [{"itemIdentifier": "11"}, {"itemIdentifier": "999"}]},
        {"batchItemFailures": "11"},
        {"batchItemFailures": ["11"]},
        ["11"],
        "done",
    ],
)
def test_these_answers_fail_the_whole_batch(answer: object) -> None:
    outcome = outcome_of(result(answer), BATCH, report_batch_item_failures=True)
    assert isinstance(outcome, Failed)
    assert outcome.first_failed == 0
    assert outcome.reason.startswith("malformed_response")


def test_an_answer_that_is_not_json_fails_the_whole_batch() -> None:
    outcome = outcome_of(InvocationResult("id", b"<html>"), BATCH, report_batch_item_failures=True)
    assert isinstance(outcome, Failed)
    assert outcome.first_failed == 0


def test_the_lowest_failed_sequence_number_counts_by_its_place_in_the_batch() -> None:
    answer = {"batchItemFailures": [{"itemIdentifier": "100"}, {"itemIdentifier": "11"}, {"itemIdentifier": "12"}]}
    outcome = outcome_of(result(answer), BATCH, report_batch_item_failures=True)
    assert isinstance(outcome, Failed)
    assert outcome.first_failed == 1


def test_reported_failures_are_ignored_where_the_mapping_does_not_ask_for_them() -> None:
    answer = {"batchItemFailures": [{"itemIdentifier": "11"}]}
    assert outcome_of(result(answer), BATCH, report_batch_item_failures=False) == Succeeded()


@pytest.mark.parametrize("reports", [True, False])
def test_a_function_error_fails_the_whole_batch(reports: bool) -> None:
    error = result({"errorMessage": "no", "errorType": "ValueError"}, function_error="Unhandled")
    outcome = outcome_of(error, BATCH, report_batch_item_failures=reports)
    assert isinstance(outcome, Failed)
    assert outcome.first_failed == 0
    assert outcome.reason == "ValueError: no"
