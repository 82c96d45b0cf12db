"""Archives for the tests: real sessions and small made-up ones, in the form of the stored contract."""

import csv
import gzip
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path

from stockstream_wire import Quote, encode_quote
from stockstream_wire.storage import (
    FIRST_FOLDER,
    RAW_PREFIX,
    log_key,
    pack_lines,
    partition_of,
    partitions_of,
    tidied_key,
)

PARTITIONS = 4

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


def objects(quotes: Sequence[Quote], batch: int = 40) -> dict[str, bytes]:
    """The archive's objects by key: the log of so many partitions, a batch of quotes an entry, rolls included."""
    made: dict[str, bytes] = {}
    for partition in partitions_of(PARTITIONS):
        folder, revision = FIRST_FOLDER, 0
        waiting = [entry for entry in quotes if partition_of(entry.symbol, PARTITIONS) == partition]
        while waiting:
            latest = max(entry.timestamp[:10] for entry in waiting[:batch])
            revision += 1
            key = log_key(partition, folder, revision)
            if folder == FIRST_FOLDER or latest > folder:
                # A roll: no line, the next folder in its metadata.
                made[key], folder = pack_lines(()), latest
                continue
            made[key] = pack_lines(encode_quote(entry) for entry in waiting[:batch])
            waiting = waiting[batch:]
    return made


def tidied_objects(quotes: Iterable[Quote]) -> dict[str, bytes]:
    """What the tidy makes of these quotes."""
    return {
        tidied_key(partition_of(symbol, PARTITIONS), day, symbol, 2, 0): pack_lines(map(encode_quote, group))
        for (symbol, day), group in _by_symbol_and_day(quotes).items()
    }


def old_objects(quotes: Iterable[Quote]) -> dict[str, bytes]:
    """What an earlier version's archive held: an object a symbol and batch."""
    return {
        f"{RAW_PREFIX}symbol={symbol}/dt={day}/shardId-000000000000-4959-0.json.gz": pack_lines(
            map(encode_quote, group)
        )
        for (symbol, day), group in _by_symbol_and_day(quotes).items()
    }


def write_archive(root: Path, quotes: Sequence[Quote], batch: int = 40) -> Path:
    for key, body in objects(quotes, batch).items():
        write(root, key, body)
    return root


def write(root: Path, key: str, body: bytes) -> None:
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


def _by_symbol_and_day(quotes: Iterable[Quote]) -> dict[tuple[str, str], list[Quote]]:
    groups: dict[tuple[str, str], list[Quote]] = {}
    for entry in quotes:
        groups.setdefault((entry.symbol, entry.timestamp[:10]), []).append(entry)
    return groups
