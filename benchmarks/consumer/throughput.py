"""One event of 10,000 records: our handler against one written the published way, stores stubbed at 5 ms a call."""

import random
import time
from base64 import b64encode
from contextlib import closing
from decimal import Decimal
from typing import Any

from benchmarks.consumer.published_way import PublishedWay
from benchmarks.consumer.stub_aws import StubAws, stub_aws
from stockstream_lambda.app import build_pipeline
from stockstream_lambda.config import Config
from stockstream_wire import Quote, encode_quote, format_epoch_ms

LATENCY_MS = 5.0
RECORDS = 10_000
# The published way takes two minutes for all records; --quick gives it the first of them and scales its time up.
QUICK_PUBLISHED_RECORDS = 500
TOPIC_ARN = "arn:aws:sns:us-east-1:000000000000:stockstream-alerts"
_FIRST_SEQUENCE = 49590338271490256608559692538361571095921575989136588898
_OPEN_MS = 1_795_185_000_000


def make_event(symbols: int, records: int = RECORDS) -> dict[str, Any]:
    """Plain records (the published way knows no aggregates) of a quiet session, one symbol after the other."""
    rng = random.Random(7)
    prices = [50.0 + number for number in range(symbols)]
    volumes = [0] * symbols
    found = []
    for number in range(records):
        index = number % symbols
        prices[index] *= rng.uniform(0.9995, 1.0005)
        volumes[index] += rng.randrange(5000)
        price, base = prices[index], Decimal(50 + index)
        quote = Quote(
            symbol=f"SYM{index}",
            timestamp=format_epoch_ms(_OPEN_MS + number // symbols * 1000),
            open=base + Decimal("0.01"),
            high=Decimal(f"{max(price, 50 + index) * 1.01:.4f}"),
            low=Decimal(f"{min(price, 50 + index) * 0.99:.4f}"),
            price=Decimal(f"{price:.4f}"),
            previous_close=base + Decimal("0.02"),
            volume=volumes[index],
            currency="USD",
            exchange="NMS",
            polled_at=format_epoch_ms(_OPEN_MS + number),
            source="yahoo",
        )
        found.append(to_record(encode_quote(quote), number, quote.symbol))
    return {"Records": found}


def to_record(data: bytes, number: int, key: str) -> dict[str, Any]:
    """A record of Lambda's Kinesis event."""
    sequence = str(_FIRST_SEQUENCE + number)
    return {
        "kinesis": {
            "partitionKey": key,
            "sequenceNumber": sequence,
            "data": b64encode(data).decode(),
            "approximateArrivalTimestamp": 1_795_185_000.0,
        },
        "eventID": f"shardId-000000000000:{sequence}",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/stockstream",
    }


def measure(*, quick: bool, symbols: int = 100, rounds: int = 3) -> dict[str, Any]:
    """Wall and CPU seconds of both, best of `rounds` for ours, and ours's calls by operation."""
    with stub_aws(LATENCY_MS) as stub:
        event = make_event(symbols)
        ours = [_run_ours(stub, event) for _ in range(rounds)]
        wall, cpu, calls = min(ours, key=lambda result: result[1])
        wall = min(result[0] for result in ours)
        count = QUICK_PUBLISHED_RECORDS if quick else RECORDS
        published = PublishedWay(stub.url, TOPIC_ARN)
        stub.take_calls()
        started, started_cpu = time.perf_counter(), time.process_time()
        published.handler({"Records": event["Records"][:count]})
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


def environ_of(stub: StubAws) -> dict[str, str]:
    """The environment of a consumer that speaks to the stub."""
    return {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": stub.url,
    }


def _run_ours(stub: StubAws, event: dict[str, Any]) -> tuple[float, float, dict[str, int]]:
    config = Config(alerts_topic_arn=TOPIC_ARN)
    with closing(build_pipeline(config, environ_of(stub))) as pipeline:
        pipeline.process({"Records": event["Records"][:1]})  # warm: connections, rules
        stub.take_calls()
        started, started_cpu = time.perf_counter(), time.process_time()
        outcome = pipeline.process(event)
        wall, cpu = time.perf_counter() - started, time.process_time() - started_cpu
    assert outcome.response == {"batchItemFailures": []}
    assert outcome.tally.stored == len(event["Records"])
    return wall, cpu, stub.take_calls()
