"""Events of a made-up market: ten thousand quotes at once, or one of each symbol at a time, as polling brings them."""

import random
from base64 import b64encode
from decimal import Decimal
from typing import Any, Final

from stockstream_wire import Quote, encode_quote, format_epoch_ms

RECORDS: Final = 10_000
TOPIC_ARN: Final = "arn:aws:sns:us-east-1:000000000000:stockstream-alerts"
_FIRST_SEQUENCE: Final = 49590338271490256608559692538361571095921575989136588898
_OPEN_MS: Final = 1_795_185_000_000
_POLL_MS: Final = 30_000


def environ_of(url: str) -> dict[str, str]:
    """The environment of a consumer that speaks to a stub."""
    return {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": url,
    }


class _Prices:
    """Prices that walk and volumes that grow."""

    def __init__(self, symbols: int) -> None:
        self._rng = random.Random(7)
        self._prices = [50.0 + number for number in range(symbols)]
        self._volumes = [0] * symbols
        self._records = 0

    def record(self, index: int, moment_ms: int, polled_ms: int) -> dict[str, Any]:
        """The next plain record of a symbol (the published way knows no aggregates)."""
        price = self._prices[index] = self._prices[index] * self._rng.uniform(0.9995, 1.0005)
        self._volumes[index] += self._rng.randrange(5000)
        self._records += 1
        base = Decimal(50 + index)
        quote = Quote(
            symbol=f"SYM{index}",
            timestamp=format_epoch_ms(moment_ms),
            open=base + Decimal("0.01"),
            high=Decimal(f"{max(price, 50 + index) * 1.01:.4f}"),
            low=Decimal(f"{min(price, 50 + index) * 0.99:.4f}"),
            price=Decimal(f"{price:.4f}"),
            previous_close=base + Decimal("0.02"),
            volume=self._volumes[index],
            currency="USD",
            exchange="NMS",
            polled_at=format_epoch_ms(polled_ms),
            source="yahoo",
        )
        sequence = str(_FIRST_SEQUENCE + self._records)
        return {
            "kinesis": {
                "partitionKey": quote.symbol,
                "sequenceNumber": sequence,
                "data": b64encode(encode_quote(quote)).decode(),
                "approximateArrivalTimestamp": moment_ms / 1000,
            },
            "eventID": f"shardId-000000000000:{sequence}",
            "eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/stockstream",
        }


def make_events(symbols: int, events: int) -> list[dict[str, Any]]:
    """Events of RECORDS each, one behind the other: a quiet session, a second apart, one symbol after the other."""
    prices = _Prices(symbols)
    moments = [_OPEN_MS + number // symbols * 1000 for number in range(RECORDS * events)]
    records = [prices.record(n % symbols, moment, _OPEN_MS + n) for n, moment in enumerate(moments)]
    return [{"Records": records[start : start + RECORDS]} for start in range(0, len(records), RECORDS)]


class Market:
    """Symbols of which `poll` brings a quote each, every 30 seconds."""

    def __init__(self, symbols: int) -> None:
        self._prices = _Prices(symbols)
        self._symbols = symbols
        self._polls = 0

    def poll(self) -> dict[str, Any]:
        """An event of one record a symbol."""
        self._polls += 1
        moment_ms = _OPEN_MS + self._polls * _POLL_MS
        indexes = range(self._symbols)
        return {"Records": [self._prices.record(index, moment_ms + index % 1000, moment_ms) for index in indexes]}
