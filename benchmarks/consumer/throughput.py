"""One event of 10,000 records: our handler against one written the published way, stores stubbed at 5 ms a call."""

import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from benchmarks.consumer.market import RECORDS, TOPIC_ARN, environ_of, make_events
from benchmarks.consumer.published_way import PublishedWay
from benchmarks.consumer.stub_aws import StubAws, stub_aws
from stockstream_lambda.app import build_pipeline
from stockstream_lambda.config import Config

LATENCY_MS = 5.0
# The published way takes two minutes for all records: it gets the first of them, and its time is scaled up.
PUBLISHED_RECORDS = 2000
QUICK_PUBLISHED_RECORDS = 500


def measure(*, quick: bool, symbols: int = 100, rounds: int = 6) -> dict[str, Any]:
    """Wall and CPU seconds of both, best of `rounds` batches for ours, and ours's calls by operation."""
    with stub_aws(LATENCY_MS) as stub:
        first, *events = make_events(symbols, rounds + 1)
        ours = _run_ours(stub, first, events)
        wall, cpu, calls = min(ours, key=lambda result: result[1])
        wall = min(result[0] for result in ours)
        count = QUICK_PUBLISHED_RECORDS if quick else PUBLISHED_RECORDS
        published = PublishedWay(stub.url, TOPIC_ARN)
        stub.take_calls()
        started, started_cpu = time.perf_counter(), time.process_time()
        published.handler({"Records": first["Records"][:count]})
        published_wall = (time.perf_counter() - started) * RECORDS / count
        published_cpu = (time.process_time() - started_cpu) * RECORDS / count
        published_calls = stub.take_calls()
    return {
        "symbols": symbols,
        "records": RECORDS,
        "latency_ms": LATENCY_MS,
        "wall_seconds": wall,
        "cpu_seconds": cpu,
        "records_per_cpu_second": RECORDS / cpu,
        "calls": calls,
        "calls_per_batch": sum(calls.values()),
        "published_records_measured": count,
        "published_wall_seconds": published_wall,
        "published_cpu_seconds": published_cpu,
        "published_calls_per_batch": sum(published_calls.values()) * RECORDS // count,
        "ratio_to_published": published_wall / wall,
    }


def _run_ours(
    stub: StubAws, first: dict[str, Any], events: Sequence[dict[str, Any]]
) -> list[tuple[float, float, dict[str, int]]]:
    """Wall and CPU seconds and calls of each event, behind a first one that opens connections and loads the log."""
    found = []
    config = Config(alerts_topic_arn=TOPIC_ARN)
    with closing(build_pipeline(config, environ_of(stub.url))) as pipeline:
        for event in (first, *events):
            stub.take_calls()
            started, started_cpu = time.perf_counter(), time.process_time()
            outcome = pipeline.process(event)
            wall, cpu = time.perf_counter() - started, time.process_time() - started_cpu
            assert outcome.response == {"batchItemFailures": []}
            assert outcome.tally.stored == RECORDS
            found.append((wall, cpu, stub.take_calls()))
    return found[1:]
