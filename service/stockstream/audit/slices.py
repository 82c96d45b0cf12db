"""Compares some symbols of one day and partition; a day goes through in slices, so that memory is bounded."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from stockstream.audit.findings import Finding, Problem
from stockstream.audit.ledger_reader import DayLedger, digest_of
from stockstream.audit.partition_log import PartitionLog
from stockstream.audit.reconcile import ArchiveLine, SymbolDay, SymbolResult, reconcile
from stockstream.audit.stores import Stores
from stockstream.reading import Archive, LogFormatError, TidiedObject, unpack_entry
from stockstream.reading.archive import in_order
from stockstream_wire import WireError, decode_quote

_PARALLEL_SYMBOLS: Final = 8
# A slice has about so many quotes; one with its item takes 4 KB.
SLICE_QUOTES: Final = 20_000
# The items of the newest entry may still be on their way when the tables are read.
_MORE_LOOKS: Final = 5
_LOOK_AGAIN_SECONDS: Final = 2.0


class _Identity(msgspec.Struct):
    symbol: str


@dataclass(frozen=True, slots=True)
class Slice:
    """Some symbols of one day and partition, compared together."""

    stores: Stores
    log: PartitionLog
    day: str
    symbols: Sequence[str]
    ledger: DayLedger | None

    async def results(
        self, archive: Archive, bodies: Mapping[str, bytes], tidied: Mapping[str, Sequence[TidiedObject]]
    ) -> list[SymbolResult]:
        lines: dict[str, list[ArchiveLine]] = {symbol: [] for symbol in self.symbols}
        damaged: dict[str, list[Finding]] = {symbol: [] for symbol in self.symbols}
        objects = [found for symbol in self.symbols for found in tidied.get(symbol, ())]

        async def read(found: TidiedObject) -> tuple[TidiedObject, bytes]:
            return found, await archive.body(found.key)

        async for tidied_object, body in in_order(objects, read):
            of_symbol, findings = _tidied_lines(tidied_object, self.day, body)
            lines[tidied_object.symbol] += of_symbol
            damaged[tidied_object.symbol] += findings
        # Pure and long for a long day: not in the event loop.
        await asyncio.to_thread(_collect, lines, bodies, self.day)
        found = await self._compare(self.symbols, lines)
        for _ in range(_MORE_LOOKS if self.log.is_live() else 0):
            suspect = [symbol for symbol in self.symbols if found[symbol].findings or found[symbol].missing]
            if not suspect:
                break
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            found |= await self._compare(suspect, lines)
        for symbol in self.symbols:
            found[symbol].findings = [*damaged[symbol], *found[symbol].findings]
        return [found[symbol] for symbol in self.symbols]

    async def _compare(
        self, symbols: Sequence[str], lines: Mapping[str, Sequence[ArchiveLine]]
    ) -> dict[str, SymbolResult]:
        found: dict[str, SymbolResult] = {}
        for start in range(0, len(symbols), _PARALLEL_SYMBOLS):
            part = symbols[start : start + _PARALLEL_SYMBOLS]
            async with asyncio.TaskGroup() as tasks:
                items = {symbol: tasks.create_task(self.stores.quotes(symbol, self.day)) for symbol in part}
                candles = {symbol: tasks.create_task(self.stores.candles(symbol, self.day)) for symbol in part}
            # What the tables had by now, the log has by now: an item that is in neither is nobody's.
            await self.log.extend_tail()
            for symbol in part:
                ledger = self.ledger
                newer = {entry.timestamp for entry in ledger.newer(symbol)} if ledger is not None else set()
                behind = self.log.tail.get(symbol, set())
                symbol_day = SymbolDay(
                    symbol=symbol,
                    ledger=None if ledger is None else ledger.accepted(symbol),
                    archive=lines[symbol],
                    items=items[symbol].result(),
                    candles=candles[symbol].result(),
                    anomaly_threshold_percent=self.stores.anomaly_threshold_percent,
                    newer=newer | behind,
                    last_tick=self.log.last_tick.get(symbol, ""),
                    has_newer=bool(behind),
                )
                found[symbol] = await asyncio.to_thread(reconcile, symbol_day)
                found[symbol].newer = len(newer)
        return found


def _collect(lines: Mapping[str, list[ArchiveLine]], bodies: Mapping[str, bytes], day: str) -> None:
    """Take the lines of these symbols and this day out of objects of the log; damaged ones were told of already."""
    decoder = msgspec.json.Decoder(_Identity)
    for key, body in bodies.items():
        for line in unpack_entry(key, body):
            try:
                if decoder.decode(line).symbol not in lines:
                    continue
                quote = decode_quote(line)
            except (msgspec.DecodeError, WireError):
                continue
            if quote.timestamp[:10] == day:
                lines[quote.symbol].append(ArchiveLine(quote, digest_of(line), key))


def _tidied_lines(found: TidiedObject, day: str, body: bytes) -> tuple[list[ArchiveLine], list[Finding]]:
    lines: list[ArchiveLine] = []
    findings: list[Finding] = []

    def damaged(subject: str, detail: str) -> None:
        findings.append(Finding(Problem.ARCHIVE_DAMAGED, found.symbol, subject, detail))

    try:
        unpacked = unpack_entry(found.key, body)
    except LogFormatError as exc:
        damaged(found.key, str(exc))
        return lines, findings
    for number, line in enumerate(unpacked, 1):
        try:
            quote = decode_quote(line)
        except WireError as exc:
            damaged(f"{found.key}:{number}", str(exc))
            continue
        if quote.symbol != found.symbol or quote.timestamp[:10] != day:
            damaged(f"{found.key}:{number}", f"holds {quote.quote_id}, which belongs elsewhere")
            continue
        lines.append(ArchiveLine(quote, digest_of(line), found.key))
    return lines, findings


def slices_of(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    part: list[str] = []
    quotes = 0
    for symbol in sorted(sizes):
        if part and quotes + sizes[symbol] > SLICE_QUOTES:
            yield part
            part, quotes = [], 0
        part.append(symbol)
        quotes += sizes[symbol]
    if part:
        yield part
