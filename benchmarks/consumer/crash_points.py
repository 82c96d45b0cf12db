"""A crash before every single write of a random history, and 10,000 fuzzed records: what the tests do, counted."""

import copy
import random
from contextlib import closing
from typing import Any

import structlog.testing

from stockstream_lambda.pipeline import Pipeline
from tests.consumer.kinesis_events import event
from tests.consumer.test_exactly_once import (
    batches_of,
    clean_pass,
    contents,
    crash_and_retry,
    deliver,
    numbered,
    random_history,
)
from tests.consumer.test_garbage import build, check
from tests.consumer.twin import CONFIG, Memory, TwinStores


def measure(*, quick: bool) -> dict[str, Any]:
    """Crash points tried and how many ended unlike the clean pass; fuzzed records and how many stopped a batch."""
    with structlog.testing.capture_logs():
        return {**_crash_points(120 if quick else 400), **_fuzz(10_000)}


def _crash_points(quotes: int) -> dict[str, Any]:
    batches = batches_of(random_history(7, quotes), random.Random(7))
    memory, points, wrong = Memory(), 0, 0
    for start, batch in numbered(batches):
        clean = copy.deepcopy(memory)
        deliver(clean, event(batch, start=start))
        expected = contents(clean)
        crash_at = 0
        while True:
            trial = copy.deepcopy(memory)
            if not crash_and_retry(trial, start, batch, crash_at):
                break
            deliver(trial, event(batch, start=start))
            wrong += contents(trial) != expected
            crash_at, points = crash_at + 1, points + 1
        memory = clean
    assert contents(memory) == contents(clean_pass(batches))
    return {"crash_points": points, "crash_points_wrong": wrong}


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
