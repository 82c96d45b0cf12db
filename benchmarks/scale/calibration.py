"""What a batch costs the real consumer in CPU, measured against the stub of AWS; the model adds the waiting."""

import random
import statistics
import time
from base64 import b64encode
from contextlib import closing
from decimal import Decimal
from typing import Any, Final, NamedTuple

from benchmarks.consumer.market import TOPIC_ARN, environ_of
from benchmarks.consumer.stub_aws import stub_aws
from stockstream_lambda.app import build_pipeline
from stockstream_lambda.config import Config
from stockstream_wire import Quote, UserRecord, aggregate, encode_quote, format_epoch_ms
from stockstream_wire.storage import partition_of

_OPEN_MS: Final = 1_795_185_000_000
# A PUT unit of 25 KB holds so many quotes of 300 bytes.
QUOTES_A_RECORD: Final = 80
_WARM_POLLS: Final = 12
_SYMBOL_NUMBERS: Final = range(2_000_000)


class Cost(NamedTuple):
    """Of a batch.

    Attributes:
        base_cpu_seconds: Whatever its size.
        quote_cpu_seconds: More for each quote.
        samples: (quotes, CPU seconds) as measured, medians.
    """

    base_cpu_seconds: float
    quote_cpu_seconds: float
    samples: tuple[tuple[int, float], ...]


def calibrate(*, quick: bool) -> Cost:
    """Measure batches of one partition and of several sizes; one quote a symbol, which is what polling brings."""
    sizes = (250, 1000) if quick else (250, 1000, 3000)
    samples = [(quotes, _measure(quotes, 5 if quick else 12)) for quotes in sizes]
    (few, little), (many, much) = samples[0], samples[-1]
    slope = (much - little) / (many - few)
    return Cost(max(0.0, little - slope * few), slope, tuple(samples))


def _measure(quotes: int, batches: int) -> float:
    partitions = 64
    symbols = _symbols_of_one_partition(quotes, partitions)
    rng = random.Random(7)
    prices = dict.fromkeys(symbols, 100.0)
    config = Config(alerts_topic_arn=TOPIC_ARN, partitions=partitions)
    with stub_aws(1.0, 1.0) as stub, closing(build_pipeline(config, environ_of(stub.url))) as pipeline:
        cpus = []
        for poll in range(_WARM_POLLS + batches):
            event = _event(symbols, prices, rng, poll)
            started = time.process_time()
            outcome = pipeline.process(event)
            cpus.append(time.process_time() - started)
            assert outcome.response == {"batchItemFailures": []}
            assert outcome.tally.stored == quotes
    return statistics.median(cpus[_WARM_POLLS:])


def _symbols_of_one_partition(count: int, partitions: int) -> list[str]:
    found: list[str] = []
    for number in _SYMBOL_NUMBERS:
        if partition_of(f"S{number}", partitions).number == 0:
            found.append(f"S{number}")
            if len(found) == count:
                return found
    raise AssertionError(count)


def _event(symbols: list[str], prices: dict[str, float], rng: random.Random, poll: int) -> dict[str, Any]:
    records = []
    for start in range(0, len(symbols), QUOTES_A_RECORD):
        users = []
        for symbol in symbols[start : start + QUOTES_A_RECORD]:
            price = prices[symbol] = prices[symbol] * rng.uniform(0.9995, 1.0005)
            quote = Quote(
                symbol=symbol,
                timestamp=format_epoch_ms(_OPEN_MS + poll * 1000),
                open=Decimal(100),
                high=Decimal("130.01"),
                low=Decimal("70.25"),
                price=Decimal(f"{price:.4f}"),
                previous_close=Decimal("100.02"),
                volume=1000 + poll * 137,
                currency="USD",
                exchange="NMS",
                polled_at=format_epoch_ms(_OPEN_MS + poll * 1000 + 5),
                source="yahoo",
                session_date="2026-11-20",
            )
            users.append(UserRecord(symbol, None, encode_quote(quote)))
        number = poll * 1_000_000 + start
        records.append(
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "lane-0",
                    "sequenceNumber": str(49590338271490256608559692538361571095921575989136588898 + number),
                    "data": b64encode(aggregate(users)).decode(),
                    "approximateArrivalTimestamp": 1_800_000_000.0 + poll,
                },
                "eventID": f"shardId-000000000000:{number}",
                "eventSource": "aws:kinesis",
                "eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/stockstream",
            }
        )
    return {"Records": records}
