"""What an invocation did to its batch, read from the function's answer by AWS's rules.

Source: Lambda guide, "Configuring partial batch response with Kinesis Data Streams and Lambda".
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stockstream.eventsource.invokers.base import InvocationResult
from stockstream.eventsource.records import StreamRecord


@dataclass(frozen=True, slots=True)
class Succeeded:
    """Every record of the batch is done."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The batch failed from its record number `first_failed` (0 is the whole batch) to its end.

    Attributes:
        first_failed: Index into the batch.
        reason: For logs and the live view.
        result: The function's answer, which the destination's message quotes.
    """

    first_failed: int
    reason: str
    result: InvocationResult


@dataclass(frozen=True, slots=True)
class NotInvoked:
    """The function could not be called; this does not count as a try."""

    reason: str


Outcome = Succeeded | Failed | NotInvoked


def outcome_of(result: InvocationResult, batch: Sequence[StreamRecord], *, report_batch_item_failures: bool) -> Outcome:
    """Judge an answer. A malformed one, or one that names a record not in the batch, fails the whole batch."""
    if result.function_error is not None:
        return Failed(0, _error_text(result), result)
    if not report_batch_item_failures:
        return Succeeded()
    try:
        answer = json.loads(result.payload) if result.payload else None
    except ValueError:
        return Failed(0, "malformed_response: not JSON", result)
    # An empty or null response, and an empty or null list, are complete successes.
    if answer is None or answer in ({}, ""):
        return Succeeded()
    if not isinstance(answer, dict):
        return Failed(0, f"malformed_response: {type(answer).__name__} in place of an object", result)
    failures = answer.get("batchItemFailures")
    if failures is None or failures == []:
        return Succeeded()
    return _first_failure(failures, batch, result)


def _first_failure(failures: Any, batch: Sequence[StreamRecord], result: InvocationResult) -> Outcome:
    if not isinstance(failures, list):
        return Failed(0, "malformed_response: batchItemFailures is not a list", result)
    positions = {record.sequence_number: index for index, record in enumerate(batch)}
    lowest = len(batch)
    for failure in failures:
        identifier = failure.get("itemIdentifier") if isinstance(failure, dict) else None
        position = positions.get(identifier) if isinstance(identifier, str) else None
        if position is None:
            return Failed(0, f"malformed_response: no record of the batch is {identifier!r}", result)
        lowest = min(lowest, position)
    return Failed(lowest, "batch_item_failures", result)


def _error_text(result: InvocationResult) -> str:
    try:
        error = json.loads(result.payload)
    except ValueError:
        return str(result.function_error)
    if not isinstance(error, dict):
        return str(result.function_error)
    return f"{error.get('errorType', result.function_error)}: {error.get('errorMessage', '')}"
