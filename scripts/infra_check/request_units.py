"""What a quote costs DynamoDB and S3 in the steady state: the real consumer on twelve sessions, the last one counted.

`python -m scripts.infra_check.request_units [--symbols N] [--sessions N] [--tails]`. docs/cost.md takes its figures
from here. A session is 6.5 hours of a quote a symbol every 30 s, all of a poll in one batch. Prices are cents, as the
service makes them of what Yahoo sends; with `--tails` they keep the tails of floats, as a feed of somebody else's may.
"""

import argparse
import base64
import random
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from scripts.infra_check.counting_stores import SWEEP, CountingStores
from stockstream_lambda.clock import Clock
from stockstream_lambda.config import Config
from stockstream_lambda.pipeline import Pipeline
from stockstream_wire import Quote, encode_quote, format_timestamp

POLL_SECONDS: Final = 30
POLLS_A_SESSION: Final = 780
SESSIONS: Final = 12
_FIRST_OPENING: Final = datetime(2026, 11, 2, 14, 30, tzinfo=UTC)
_FIRST_SEQUENCE: Final = 49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_898
# Standard deviation of a move between two polls: 1.3% a day over 780 moves.
_MOVE: Final = 0.013 / POLLS_A_SESSION**0.5


@dataclass(frozen=True, slots=True)
class Units:
    """What one session took, a quote.

    Attributes:
        writes: Write units by table.
        reads: Read units in all, but for the sweep's query once a minute.
        quote_bytes: Bytes of a stored quote, by DynamoDB's rules.
        candle_bytes: Bytes of closed candles.
        archive_bytes: Bytes of the log's objects.
        puts: S3 puts a poll, the log's and the checkpoints'.
    """

    writes: dict[str, float]
    reads: float
    quote_bytes: float
    candle_bytes: float
    archive_bytes: float
    puts: dict[str, float]

    @property
    def write_units(self) -> float:
        return sum(self.writes.values())


def measure(symbols: int = 4, sessions: int = SESSIONS, polls: int = POLLS_A_SESSION, *, tails: bool = False) -> Units:
    """Run the consumer once a poll, every symbol with a new quote, and count the last session."""
    stores, moment = CountingStores(), [0.0]
    config = Config(alerts_topic_arn="arn:aws:sns:us-east-1:123456789012:stockstream-alerts")
    pipeline = Pipeline(config, stores, Clock(now=lambda: moment[0]))
    events = _events(symbols, sessions, polls, tails=tails)
    for session, now, event in events:
        moment[0] = now.timestamp()
        if session == sessions - 1 and now == _opening(session):
            stores.clear()
        pipeline.process(event)
    pipeline.close()
    quotes = symbols * polls
    return Units(
        writes={table: count / quotes for table, count in sorted(stores.writes.items())},
        reads=sum(count for table, count in stores.reads.items() if not table.endswith(SWEEP)) / quotes,
        quote_bytes=stores.item_bytes["quotes"] / quotes,
        candle_bytes=stores.item_bytes["candles"] / quotes,
        archive_bytes=stores.archive_bytes / quotes,
        puts={folder: count / polls for folder, count in sorted(stores.puts.items())},
    )


def _opening(session: int) -> datetime:
    # Five sessions, then a weekend.
    return _FIRST_OPENING + timedelta(days=session + 2 * (session // 5))


def _events(symbols: int, sessions: int, polls: int, *, tails: bool) -> Iterator[tuple[int, datetime, dict[str, Any]]]:
    rng = random.Random(20261120)
    closes = {f"SYM{number}": 40.0 * 1.37 ** (number % 8) for number in range(symbols)}
    sequence = _FIRST_SEQUENCE
    for session in range(sessions):
        days = {name: _Day(close, rng) for name, close in closes.items()}
        for poll in range(polls):
            now = _opening(session) + timedelta(seconds=POLL_SECONDS * poll)
            records = []
            for name, day in days.items():
                sequence += 1
                records.append(_record(day.quote(name, now, tails=tails), sequence, now))
            yield session, now, {"Records": records}
        closes = {name: day.price for name, day in days.items()}


class _Day:
    """One symbol's session: a random walk."""

    def __init__(self, close: float, rng: random.Random) -> None:
        self._rng = rng
        self.close = close
        self.price = self.open = self.high = self.low = close * (1 + rng.gauss(0, 0.004))
        self.volume = 0

    def quote(self, symbol: str, now: datetime, *, tails: bool) -> Quote:
        self.price *= 1 + self._rng.gauss(0, _MOVE)
        self.high, self.low = max(self.high, self.price), min(self.low, self.price)
        self.volume += int(self._rng.lognormvariate(9, 1))
        numbers = [self.open, self.high, self.low, self.price, self.close, self.price, self.price * 1.0001]
        open_, high, low, price, close, bid, ask = [_decimal(number, tails=tails) for number in numbers]
        return Quote(
            symbol=symbol,
            timestamp=format_timestamp(now),
            open=open_,
            high=high,
            low=low,
            price=price,
            previous_close=close,
            volume=self.volume,
            bid=bid,
            ask=ask,
            currency="USD",
            exchange="NMS",
            market_state="REGULAR",
            polled_at=format_timestamp(now),
            source="yahoo",
        )


def _decimal(number: float, *, tails: bool) -> Decimal:
    if not tails:
        return Decimal(f"{number:.2f}")
    (as_yahoo_has_it,) = struct.unpack("f", struct.pack("f", round(number, 2)))
    return Decimal(str(as_yahoo_has_it))


def _record(quote: Quote, sequence: int, now: datetime) -> dict[str, Any]:
    return {
        "eventID": f"shardId-000000000000:{sequence}",
        "eventSource": "aws:kinesis",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/stockstream",
        "kinesis": {
            "data": base64.b64encode(encode_quote(quote)).decode(),
            "partitionKey": quote.symbol,
            "sequenceNumber": str(sequence),
            "approximateArrivalTimestamp": now.timestamp(),
        },
    }


def main() -> None:
    """Print units per quote."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=4)
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    parser.add_argument("--tails", action="store_true")
    options = parser.parse_args()
    units = measure(options.symbols, options.sessions, tails=options.tails)
    print(f"{options.symbols} symbols, session {options.sessions}, a batch every {POLL_SECONDS} s")
    for table, share in Counter(units.writes).most_common():
        print(f"write units a quote, {table:14} {share:7.4f}")
    print(f"write units a quote, in all         {units.write_units:7.4f}")
    print(f"read units a quote                  {units.reads:7.4f}")
    print(f"bytes of a stored quote             {units.quote_bytes:7.1f}")
    print(f"bytes of closed candles a quote     {units.candle_bytes:7.1f}")
    print(f"bytes of archive a quote            {units.archive_bytes:7.1f}")
    for folder, puts in units.puts.items():
        print(f"S3 puts a poll, {folder + '/':19} {puts:7.3f}")


if __name__ == "__main__":
    main()
