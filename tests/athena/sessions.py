"""Archives for the tests: real sessions and small made-up ones, written by the consumer's own archive code."""

import csv
import gzip
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path

from stockstream_lambda.archive import archive_object

from stockstream_lambda.records import Position, UserQuote
from stockstream_wire import Quote, encode_quote

ROOT = Path(__file__).parents[2]
# Handed to the project from outside and no part of it.
MARKET = ROOT.parent / "shared" / "data" / "market"
SESSIONS = sorted(MARKET.glob("*.csv.gz"))
_PRICES = ("open", "high", "low", "price", "previous_close")


def read_session(path: Path) -> list[Quote]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [
            Quote(
                symbol=row["symbol"],
                timestamp=row["timestamp"],
                volume=int(row["volume"]),
                source="replay",
                **{name: Decimal(row[name]) for name in _PRICES},  # type: ignore[arg-type]
            )
            for row in csv.DictReader(lines)
        ]


def quote(symbol: str, timestamp: str, price: str, previous_close: str, volume: int = 100, **others: object) -> Quote:
    prices: dict[str, object] = {"open": Decimal(price), "high": Decimal(price), "low": Decimal(price), **others}
    return Quote(
        symbol=symbol,
        timestamp=timestamp,
        price=Decimal(price),
        previous_close=Decimal(previous_close),
        volume=volume,
        **prices,  # type: ignore[arg-type]
    )


def objects(quotes: Iterable[Quote], batch: int = 40) -> dict[str, bytes]:
    """The archive's objects by key, as the consumer would write them in batches of so many quotes a symbol and day."""
    groups: dict[tuple[str, str], list[Quote]] = {}
    for entry in quotes:
        groups.setdefault((entry.symbol, entry.timestamp[:10]), []).append(entry)
    made: dict[str, bytes] = {}
    sequence = 49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_898
    for group in groups.values():
        for start in range(0, len(group), batch):
            sequence += 1
            stored = archive_object(_user_quotes(group[start : start + batch], str(sequence)))
            made[stored.key] = stored.body
    return made


def write_archive(root: Path, quotes: Iterable[Quote], batch: int = 40) -> Path:
    for key, body in objects(quotes, batch).items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return root


def _user_quotes(quotes: Sequence[Quote], sequence: str) -> list[UserQuote]:
    return [
        UserQuote(entry, encode_quote(entry), Position("shardId-000000000000", sequence, index, 0), 0)
        for index, entry in enumerate(quotes)
    ]
