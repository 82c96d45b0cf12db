"""The tidy's Lambda entry point: `stockstream_lambda.tidy.handler.handler`, called by a schedule."""

from typing import Any

from stockstream_lambda.clock import Deadline
from stockstream_lambda.handler import pipeline_of_this_process
from stockstream_lambda.tidy.run import run_tidy


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Do the night's work; see `run_tidy` for the event and the answer."""
    remaining_ms = getattr(context, "get_remaining_time_in_millis", None)
    return run_tidy(pipeline_of_this_process(), event, Deadline(remaining_ms))
