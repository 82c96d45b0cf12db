"""A crash before every single write of a random history, and 10,000 fuzzed records: what the tests do, counted."""

from contextlib import closing
from typing import Any

import structlog.testing

from stockstream_lambda.pipeline import Pipeline
from tests.consumer.kinesis_events import event
from tests.consumer.test_exactly_once import AFTER_A_CRASH, count_crash_points
from tests.consumer.test_garbage import build, check
from tests.consumer.twin import CONFIG, Memory, TwinStores


def measure(*, quick: bool) -> dict[str, Any]:
    """Crash points tried and how many ended unlike the clean pass; fuzzed records and how many stopped a batch."""
    with structlog.testing.capture_logs():
        return {**_crash_points(120 if quick else 400), **_fuzz(10_000)}


def _crash_points(quotes: int) -> dict[str, Any]:
    found = [count_crash_points(7, quotes, then) for then in AFTER_A_CRASH]
    return {"crash_points": sum(points for points, _ in found), "crash_points_wrong": sum(wrong for _, wrong in found)}


def _fuzz(count: int) -> dict[str, Any]:
    records, good, bad = build(5, count)
    memory = Memory()
    stops = 0
    with closing(Pipeline(CONFIG, TwinStores(memory))) as pipeline:
        for start in range(0, len(records), 100):
            answer = pipeline.process(event(records[start : start + 100], start=start)).response
            stops += bool(answer["batchItemFailures"])
    check(records, good, bad, memory)
    return {"fuzzed_records": len(bad), "good_records_between": len(good), "fuzz_stops": stops}
