"""The comparison of one symbol's day: ledger, archive, quotes, candles.

Pure, and written against the published contracts (docs/architecture.md, docs/consumer.md) and not against the
consumer's code, so that it can find that code wrong.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from decimal import Context, Decimal
from typing import Any, Final, NamedTuple

from stockstream.audit.candles import CandleCheck, InTime
from stockstream.audit.findings import Finding, Problem
from stockstream.audit.ledger_reader import LedgerEntry
from stockstream_wire import Quote

_CONTEXT: Final = Context(prec=28)
_COPIED: Final = ("open", "high", "low", "price", "previous_close", "volume")
_OPTIONAL: Final = ("bid", "ask", "currency", "exchange", "market_state", "source", "polled_at", "delayed_by_seconds")


class ArchiveLine(NamedTuple):
    """One line of the archive: the quote, the digest of its bytes, and the object it is in."""

    quote: Quote
    digest: str
    key: str


@dataclass(frozen=True, slots=True)
class SymbolDay:
    """Everything that is stored of one symbol and day.

    Attributes:
        symbol: Ticker.
        ledger: Accepted quotes in order; None where the day has no ledger.
        archive: Lines in the order of the stream.
        items: Items of `quotes` by event time, as plain values (numbers are Decimal).
        candles: Closed candles by interval and window start.
        newer: Event times that the log holds behind the part that is audited, or that were accepted after its moment.
        last_tick: Event time of the symbol's newest tick in that part, of whichever day; empty where it is not known.
        has_newer: The log holds quotes of the symbol, of whichever day, behind that part.
        anomaly_threshold_percent: The published rule's threshold that the consumer runs with.
    """

    symbol: str
    ledger: Sequence[LedgerEntry] | None
    archive: Sequence[ArchiveLine]
    items: Mapping[str, Mapping[str, Any]]
    candles: Mapping[tuple[str, str], Mapping[str, Any]]
    anomaly_threshold_percent: Decimal
    newer: AbstractSet[str] = frozenset()
    last_tick: str = ""
    has_newer: bool = False


@dataclass(slots=True)
class SymbolResult:
    """What the comparison of one symbol found; `missing` are accepted event times that are nowhere."""

    symbol: str
    findings: list[Finding] = field(default_factory=list)
    missing: list[LedgerEntry] = field(default_factory=list)
    accepted: int = 0
    accepted_again: int = 0
    archived: int = 0
    stored: int = 0
    candles: int = 0
    late: int = 0
    unlisted: int = 0
    newer: int = 0


def reconcile(day: SymbolDay) -> SymbolResult:
    """Compare what was accepted with what is stored."""
    result = SymbolResult(day.symbol, archived=len(day.archive), stored=len(day.items.keys() - _left_out(day)))
    archived = Counter(line.quote.timestamp for line in day.archive)
    result.late = sum(bool(item.get("late")) for item in day.items.values())
    keys: dict[str, set[str]] = {}
    for line in day.archive:
        keys.setdefault(line.quote.timestamp, set()).add(line.key)
    for timestamp, count in archived.items():
        if count > 1:
            places = ", ".join(sorted(keys[timestamp]))
            _find(result, day, Problem.DOUBLE_IN_ARCHIVE, timestamp, f"{count} lines in {places}")
        if timestamp not in day.items:
            _find(result, day, Problem.MISSING_IN_QUOTES, timestamp, "is in the archive")
    listed = {entry.timestamp for entry in day.ledger or ()}
    for timestamp in sorted(day.items.keys() - archived.keys() - listed - day.newer):
        _find(result, day, Problem.ONLY_IN_QUOTES, timestamp, "is neither in the archive nor in the ledger")
    _compare_ledger(day, archived, result)
    _compare_items(day, result)
    in_time = _in_time(day)
    last_tick = max([day.last_tick, *(entry.quote.timestamp for entry in in_time if not entry.is_late)])
    compared, findings = CandleCheck(day.symbol, day.candles, last_tick, day.has_newer).compare(in_time)
    result.candles = compared
    result.findings += findings
    return result


def _compare_ledger(day: SymbolDay, archived: Counter[str], result: SymbolResult) -> None:
    if day.ledger is None:
        return
    digests: dict[str, set[str]] = {}
    for entry in day.ledger:
        digests.setdefault(entry.timestamp, set()).add(entry.digest)
    result.accepted = len(digests)
    result.accepted_again = len(day.ledger) - len(digests)
    result.unlisted = len(archived.keys() - digests.keys() - day.newer)
    for entry in {entry.timestamp: entry for entry in day.ledger}.values():
        in_archive, in_quotes = entry.timestamp in archived, entry.timestamp in day.items
        if not in_archive and not in_quotes:
            result.missing.append(entry)
        elif not in_archive:
            _find(result, day, Problem.MISSING_IN_ARCHIVE, entry.timestamp, "is in quotes")
    for line in day.archive:
        accepted = digests.get(line.quote.timestamp)
        if accepted is not None and line.digest not in accepted:
            detail = f"archived {line.digest}, accepted {' or '.join(sorted(accepted))}, in {line.key}"
            _find(result, day, Problem.ARCHIVE_DIFFERS, line.quote.timestamp, detail)
    _compare_order(day, digests, result)


def _compare_order(day: SymbolDay, digests: Mapping[str, set[str]], result: SymbolResult) -> None:
    """Quotes not marked late stand in the archive in the order in which they were accepted."""
    rank = {timestamp: index for index, timestamp in enumerate(digests)}
    last_rank, last_timestamp = -1, ""
    for line in day.archive:
        timestamp = line.quote.timestamp
        if timestamp not in rank or day.items.get(timestamp, {}).get("late"):
            continue
        if rank[timestamp] < last_rank:
            _find(result, day, Problem.ORDER_BROKEN, timestamp, f"stands after {last_timestamp}, accepted before it")
        else:
            last_rank, last_timestamp = rank[timestamp], timestamp


def _compare_items(day: SymbolDay, result: SymbolResult) -> None:
    for line in {line.quote.timestamp: line for line in day.archive}.values():
        item = day.items.get(line.quote.timestamp)
        if item is None:
            continue
        wrong = list(_wrong_fields(line.quote, item, day.anomaly_threshold_percent))
        if wrong:
            _find(result, day, Problem.QUOTES_DIFFERS, line.quote.timestamp, "; ".join(wrong))


def _wrong_fields(quote: Quote, item: Mapping[str, Any], threshold_percent: Decimal) -> Iterator[str]:
    for name in _COPIED:
        if item.get(name) != getattr(quote, name):
            yield f"{name} is {item.get(name)}, archived {getattr(quote, name)}"
    for name in _OPTIONAL:
        archived = getattr(quote, name)
        if archived is not None and item.get(name) != archived:
            yield f"{name} is {item.get(name)}, archived {archived}"
    # The published rule, computed anew; DynamoDB keeps 38 digits, the rule is stated to 28.
    change = quote.price - quote.previous_close
    change_percent = None
    if quote.previous_close > 0:
        change_percent = _CONTEXT.multiply(_CONTEXT.divide(change, quote.previous_close), Decimal(100))
    expected: dict[str, Any] = {
        "change": change,
        "change_percent": change_percent,
        "moving_average": _CONTEXT.divide(quote.open + quote.high + quote.low + quote.price, Decimal(4)),
        "anomaly": "Yes" if change_percent is not None and abs(change_percent) > threshold_percent else "No",
    }
    for name, value in expected.items():
        if item.get(name) != value:
            yield f"{name} is {item.get(name)}, must be {value}"


def _in_time(day: SymbolDay) -> list[InTime]:
    """Each archived quote once, by event time, with its item; a stale quote makes no candle."""
    quotes = {line.quote.timestamp: line.quote for line in day.archive}
    found = []
    for timestamp, quote in sorted(quotes.items()):
        if not quote.stale:
            item = day.items.get(timestamp, {})
            found.append(InTime(quote, bool(item.get("late")), item))
    return found


def _left_out(day: SymbolDay) -> set[str]:
    return set(day.newer) - {line.quote.timestamp for line in day.archive}


def _find(result: SymbolResult, day: SymbolDay, problem: Problem, subject: str, detail: str) -> None:
    result.findings.append(Finding(problem, day.symbol, subject, detail))
