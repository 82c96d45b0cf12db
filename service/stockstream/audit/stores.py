"""Reads what is stored of one symbol and day, through the AWS APIs."""

import re
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

from stockstream.audit.candles import INTERVALS
from stockstream.audit.findings import Finding, Problem
from stockstream.audit.ledger_reading import digest_of
from stockstream.audit.reconcile import ArchiveLine
from stockstream.aws import list_keys, read_object
from stockstream.bounds import gunzip
from stockstream.errors import AnswerTooLargeError
from stockstream_wire import WireError, decode_quote

_DAY_PREFIX: Final = re.compile(r"dt=(\d{4}-\d{2}-\d{2})/")
# <shard>-<sequence>[-<subsequence>].json.gz; a shard id holds a dash itself.
_POSITION: Final = re.compile(r"-(\d+)(?:-(\d+))?\.json\.gz$")

Item = Mapping[str, Any]


class Archived(NamedTuple):
    """A symbol's day of the archive: lines in the order of the stream, and what cannot be read."""

    lines: Sequence[ArchiveLine]
    findings: Sequence[Finding]


@dataclass(frozen=True, slots=True)
class Stores:
    """Where things are stored. Clients are aiobotocore's and closed by the caller.

    `anomaly_threshold_percent` is what the consumer that stored them ran with.
    """

    s3: Any
    dynamodb: Any
    bucket: str
    quotes_table: str
    candles_table: str
    anomaly_threshold_percent: Decimal = Decimal(5)

    async def archived_symbols(self) -> list[str]:
        """Symbols that the archive has."""
        return [prefix.removeprefix("raw/symbol=").rstrip("/") async for prefix in self._folders("raw/symbol=")]

    async def archived_days(self, symbol: str) -> list[str]:
        """Days of event time that the archive has of a symbol."""
        days: list[str] = []
        async for prefix in self._folders(f"raw/symbol={symbol}/"):
            days += _DAY_PREFIX.findall(prefix)
        return days

    async def archive(self, symbol: str, day: str) -> Archived:
        """Read a symbol's day of the archive."""
        keys = [key async for key in list_keys(self.s3, self.bucket, f"raw/symbol={symbol}/dt={day}/")]
        lines: list[ArchiveLine] = []
        findings: list[Finding] = []
        for key in sorted(keys, key=_stream_order):
            try:
                packed = await read_object(self.s3, self.bucket, key)
            except AnswerTooLargeError as exc:
                findings.append(Finding(Problem.ARCHIVE_DAMAGED, symbol, key, str(exc)))
                continue
            read = _read_lines(symbol, day, key, packed)
            lines += read.lines
            findings += read.findings
        return Archived(lines, findings)

    async def quotes(self, symbol: str, day: str) -> dict[str, Item]:
        """Items of a symbol's day by event time."""
        items = self._query(self.quotes_table, "symbol", "timestamp", symbol, day)
        return {item["timestamp"]: item async for item in items}

    async def candles(self, symbol: str, day: str) -> dict[tuple[str, str], Item]:
        """Candles of a symbol's day by interval and window start."""
        found: dict[tuple[str, str], Item] = {}
        for interval in INTERVALS:
            items = self._query(self.candles_table, "symbol_interval", "window_start", f"{symbol}#{interval}", day)
            async for item in items:
                found[interval, item["window_start"]] = item
        return found

    async def _query(
        self, table: str, hash_name: str, range_name: str, hash_value: str, range_prefix: str
    ) -> AsyncIterator[Item]:
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=table,
            ConsistentRead=True,
            KeyConditionExpression="#hash = :hash AND begins_with(#range, :range)",
            ExpressionAttributeNames={"#hash": hash_name, "#range": range_name},
            ExpressionAttributeValues={":hash": {"S": hash_value}, ":range": {"S": range_prefix}},
        )
        async for page in pages:
            for raw in page["Items"]:
                yield {name: _plain(value) for name, value in raw.items()}

    async def _folders(self, prefix: str) -> AsyncIterator[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix, Delimiter="/")
        async for page in pages:
            for entry in page.get("CommonPrefixes", []):
                yield entry["Prefix"]


def _read_lines(symbol: str, day: str, key: str, packed: bytes) -> Archived:
    try:
        body = gunzip(packed, key)
    except (OSError, EOFError, zlib.error) as exc:
        return Archived([], [Finding(Problem.ARCHIVE_DAMAGED, symbol, key, f"is not gzip: {exc}")])
    except AnswerTooLargeError as exc:
        return Archived([], [Finding(Problem.ARCHIVE_DAMAGED, symbol, key, str(exc))])
    lines: list[ArchiveLine] = []
    findings: list[Finding] = []
    for number, line in enumerate(body.splitlines(), 1):
        try:
            quote = decode_quote(line)
        except WireError as exc:
            findings.append(Finding(Problem.ARCHIVE_DAMAGED, symbol, f"{key}:{number}", str(exc)))
            continue
        if quote.symbol != symbol or quote.timestamp[:10] != day:
            detail = f"holds {quote.quote_id}, which belongs elsewhere"
            findings.append(Finding(Problem.ARCHIVE_DAMAGED, symbol, f"{key}:{number}", detail))
            continue
        lines.append(ArchiveLine(quote, digest_of(line), key))
    return Archived(lines, findings)


def _stream_order(key: str) -> tuple[int, int, str]:
    match = _POSITION.search(key)
    return (int(match[1]), int(match[2] or 0), key) if match else (0, 0, key)


def _plain(value: Mapping[str, Any]) -> Any:
    ((kind, content),) = value.items()
    return Decimal(content) if kind == "N" else content
