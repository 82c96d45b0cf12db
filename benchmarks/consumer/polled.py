"""What polling brings: one quote of each symbol a batch. CPU against the published way, and how long a batch takes."""

import random
import statistics
import time
from contextlib import closing
from decimal import Decimal
from typing import Any, Final

from benchmarks.consumer.published_way import PublishedWay
from benchmarks.consumer.stub_aws import stub_aws
from benchmarks.consumer.throughput import TOPIC_ARN, environ_of, to_record
from stockstream_lambda.app import build_pipeline
from stockstream_lambda.config import Config
from stockstream_wire import Quote, encode_quote, format_epoch_ms

LATENCY_MS: Final = 5.0
S3_PUT_MS: Final = 40.0
_OPEN_MS: Final = 1_795_185_000_000
_POLL_MS: Final = 30_000
# Enough for every indicator but the volume's to be warm.
_WARM_POLLS: Final = 55


class Market:
    """Symbols whose prices walk; `poll` is what one look at all of them brings."""

    def __init__(self, symbols: int) -> None:
        self._rng = random.Random(7)
        self._prices = [50.0 + number for number in range(symbols)]
        self._volumes = [0] * symbols
        self._polls = 0
        self._records = 0

    def poll(self) -> dict[str, Any]:
        """An event of one plain record a symbol (the published way knows no aggregates)."""
        records = []
        self._polls += 1
        for index in range(len(self._prices)):
            price = self._prices[index] = self._prices[index] * self._rng.uniform(0.9995, 1.0005)
            self._volumes[index] += self._rng.randrange(5000)
            base = Decimal(50 + index)
            moment = _OPEN_MS + self._polls * _POLL_MS
            quote = Quote(
                symbol=f"SYM{index}",
                timestamp=format_epoch_ms(moment + index % 1000),
                open=base + Decimal("0.01"),
                high=Decimal(f"{max(price, 50 + index) * 1.01:.4f}"),
                low=Decimal(f"{min(price, 50 + index) * 0.99:.4f}"),
                price=Decimal(f"{price:.4f}"),
                previous_close=base + Decimal("0.02"),
                volume=self._volumes[index],
                currency="USD",
                exchange="NMS",
                polled_at=format_epoch_ms(moment),
                source="yahoo",
            )
            self._records += 1
            records.append(to_record(encode_quote(quote), self._records, quote.symbol))
        return {"Records": records}


def measure(*, quick: bool) -> dict[str, Any]:
    """Figures of polled batches: records a CPU-second, CPU against the published way, and the p50 of 170 quotes."""
    thousand = _run(1000, LATENCY_MS, 5 if quick else 20)
    latency = _run(170, S3_PUT_MS, 15 if quick else 60)
    return {
        "records_per_cpu_second_polled": 1000 / thousand["cpu_seconds"],
        "cpu_ratio_to_published_polled": _published_cpu_seconds(100 if quick else 1000) / thousand["cpu_seconds"],
        "batch_p50_seconds_polled_170": latency["p50_seconds"],
        "polled": {"1000": thousand, "170": latency},
    }


def _run(symbols: int, s3_put_ms: float, batches: int) -> dict[str, Any]:
    market = Market(symbols)
    config = Config(alerts_topic_arn=TOPIC_ARN)
    with stub_aws(LATENCY_MS, s3_put_ms) as stub, closing(build_pipeline(config, environ_of(stub))) as pipeline:
        for _ in range(_WARM_POLLS):
            pipeline.process(market.poll())
        walls, cpus = [], []
        stub.take_calls()
        for _ in range(batches):
            event = market.poll()
            started, started_cpu = time.perf_counter(), time.process_time()
            outcome = pipeline.process(event)
            walls.append(time.perf_counter() - started)
            cpus.append(time.process_time() - started_cpu)
            assert outcome.response == {"batchItemFailures": []}
            assert outcome.tally.stored == symbols
        calls = stub.take_calls()
    return {
        "p50_seconds": statistics.median(walls),
        "cpu_seconds": statistics.median(cpus),
        "calls_a_batch": {name: count / batches for name, count in calls.items()},
    }


def _published_cpu_seconds(records: int) -> float:
    """CPU seconds of the published way for a batch of a thousand."""
    event = Market(1000).poll()
    with stub_aws(LATENCY_MS) as stub:
        published = PublishedWay(stub.url, TOPIC_ARN)
        published.handler({"Records": event["Records"][:5]})  # warm: connections, service models
        started = time.process_time()
        published.handler({"Records": event["Records"][:records]})
        return (time.process_time() - started) * 1000 / records
