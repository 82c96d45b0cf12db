"""One row of text values becomes one quote, exact to the last digit, or a rejection that names the line."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

from stockstream.errors import InputError
from stockstream.sources.base import Rejection
from stockstream_wire import Quote, QuoteInvalidError, validate_quote

_T = TypeVar("_T")

SOURCE_LABEL: Final = "replay"
REQUIRED_COLUMNS: Final = ("timestamp", "symbol", "open", "high", "low", "price", "previous_close", "volume")
# Used where a file has them. `source` is not among them: a replayed quote says that it is one.
OPTIONAL_COLUMNS: Final = (
    "bid", "ask", "currency", "exchange", "market_state", "polled_at", "delayed_by_seconds", "stale",
)  # fmt: skip
# Decimal() itself would take "1_000", " 1", "NaN" and the digits of every script.
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,5})?")
_TEXTS_CACHED_MAX: Final = 4096
_CACHED_TEXT_MAX_LENGTH: Final = 40
_SYMBOLS_MAX: Final = 100_000
_INTEGER_MAX_DIGITS: Final = 19


class RowError(Exception):
    """A row that is not a quote; `reason` is the stable name in the rejection."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Seen:
    """Last event time of each symbol over all files of a replay, in bounded memory."""

    def __init__(self) -> None:
        self.last: dict[str, str] = {}

    def is_duplicate(self, symbol: str, timestamp: str) -> bool:
        """Whether the row repeats the event time of its symbol's last row; remembers it otherwise."""
        if self.last.get(symbol) == timestamp:
            return True
        if len(self.last) >= _SYMBOLS_MAX and symbol not in self.last:
            del self.last[next(iter(self.last))]
        self.last[symbol] = timestamp
        return False


class RowParser:
    """Turns rows of one file into quotes.

    Args:
        file_name: As the user gave it; stands in every rejection before the line number.
        columns: Names of the values of a row, in their order.
        symbols: Rows of other symbols are passed over; None takes all.
        seen: Shared by the files of one replay.

    Raises:
        InputError: a required column is missing or named twice.
    """

    def __init__(self, file_name: str, columns: Sequence[str], symbols: frozenset[str] | None, seen: Seen) -> None:
        check_columns(file_name, columns)
        self._file_name = file_name
        self._symbols = symbols
        self._seen = seen
        self._width = len(columns)
        position = {name: index for index, name in enumerate(columns)}
        self._required = tuple(position[name] for name in REQUIRED_COLUMNS)
        self._optional = [(name, position[name]) for name in OPTIONAL_COLUMNS if name in position]
        self._timestamps: dict[str, str] = {}
        self._numbers: dict[str, Decimal] = {}

    def parse(self, line_number: int, values: Sequence[str]) -> Quote | Rejection | None:
        """Parse one row; None means that it is of a symbol not asked for."""
        try:
            return self._parse(values)
        except RowError as exc:
            return self.rejection(line_number, exc.reason, exc.detail)
        except QuoteInvalidError as exc:
            return self.rejection(line_number, exc.code, str(exc))

    def rejection(self, line_number: int, reason: str, detail: str) -> Rejection:
        return Rejection(f"{self._file_name}:{line_number}", reason, detail)

    def _parse(self, values: Sequence[str]) -> Quote | None:
        if len(values) != self._width:
            raise RowError("column_count", f"has {len(values)} values where the header has {self._width}")
        timestamp, symbol, open_, high, low, price, previous_close, volume = [values[i] for i in self._required]
        symbol = symbol.strip()
        if self._symbols is not None and symbol not in self._symbols:
            return None
        timestamp = self._timestamp("timestamp", timestamp)
        extras: dict[str, Any] = {}
        if self._optional:
            extras = self._extras(values)
        number = self._number
        quote = Quote(
            symbol=symbol,
            timestamp=timestamp,
            open=number("open", open_),
            high=number("high", high),
            low=number("low", low),
            price=number("price", price),
            previous_close=number("previous_close", previous_close),
            volume=parse_integer("volume", volume),
            source=SOURCE_LABEL,
            **extras,
        )
        validate_quote(quote)
        if self._seen.is_duplicate(symbol, timestamp):
            raise RowError("duplicate_row", f"{symbol} at {timestamp} was in the replay already")
        return quote

    def _timestamp(self, column: str, text: str) -> str:
        known = self._timestamps.get(text)
        if known is None:
            known = normalise_timestamp(column, text)
            _remember(self._timestamps, text, known)
        return known

    def _number(self, column: str, text: str) -> Decimal:
        # Open, high, low and previous close hardly change within a session.
        known = self._numbers.get(text)
        if known is None:
            known = parse_number(column, text)
            _remember(self._numbers, text, known)
        return known

    def _extras(self, values: Sequence[str]) -> dict[str, Any]:
        extras: dict[str, Any] = {}
        for name, index in self._optional:
            text = values[index].strip()
            if not text:
                continue
            if name in {"bid", "ask"}:
                extras[name] = parse_number(name, text)
            elif name == "polled_at":
                extras[name] = self._timestamp(name, text)
            elif name == "delayed_by_seconds":
                extras[name] = parse_integer(name, text)
            elif name == "stale":
                extras[name] = parse_flag(name, text)
            else:
                extras[name] = text
        return extras


def _remember(cache: dict[str, _T], text: str, value: _T) -> None:
    if len(text) > _CACHED_TEXT_MAX_LENGTH:
        return
    if len(cache) >= _TEXTS_CACHED_MAX:
        cache.clear()
    cache[text] = value


def check_columns(file_name: str, columns: Sequence[str]) -> None:
    """Stop a replay whose file cannot give quotes.

    Raises:
        InputError: naming the file and the columns that are missing, or there twice.
    """
    missing = [name for name in REQUIRED_COLUMNS if name not in columns]
    if missing:
        found = ", ".join(ascii(name)[1:-1] for name in columns[:20])
        noun = "column" if len(missing) == 1 else "columns"
        raise InputError(
            f"{file_name}: {noun} {', '.join(missing)} missing; found: {found}. "
            f"A replay file needs {','.join(REQUIRED_COLUMNS)}, in any order"
        )
    twice = [name for name in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS) if list(columns).count(name) > 1]
    if twice:
        raise InputError(f"{file_name}: column {twice[0]} is there twice. Remove or rename one")


def parse_number(column: str, text: str) -> Decimal:
    """An exact decimal from text, trailing zeros kept; never through float."""
    if _NUMBER.fullmatch(text) is None:
        stripped = text.strip()
        if not stripped:
            raise RowError("value_missing", f"{column} is empty")
        if _NUMBER.fullmatch(stripped) is None:
            raise RowError("number_malformed", f"{column}={_shown(text)} is not a number")
        text = stripped
    return Decimal(text)


def parse_integer(column: str, text: str) -> int:
    """A whole number; `220173.0`, as data frames write it, counts as one."""
    if text.isdecimal() and text.isascii() and len(text) <= _INTEGER_MAX_DIGITS:
        return int(text)
    number = parse_number(column, text)
    if number and number.adjusted() >= _INTEGER_MAX_DIGITS:
        raise RowError("number_malformed", f"{column}={_shown(text)} is beyond 64 bits")
    if number != number.to_integral_value():
        raise RowError("number_malformed", f"{column}={_shown(text)} is not a whole number")
    return int(number)


def parse_flag(column: str, text: str) -> bool:
    lowered = text.lower()
    if lowered not in {"true", "false", "1", "0"}:
        raise RowError("flag_malformed", f"{column}={_shown(text)} is neither true nor false")
    return lowered in {"true", "1"}


def normalise_timestamp(column: str, text: str) -> str:
    """Any ISO 8601 date and time with an offset, in the wire form: UTC, milliseconds (finer digits are cut off)."""
    stripped = text.strip()
    if not stripped:
        raise RowError("value_missing", f"{column} is empty")
    try:
        moment = datetime.fromisoformat(stripped)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    except (ValueError, OverflowError) as exc:
        raise RowError("timestamp_malformed", f"{column}={_shown(text)} is not an ISO 8601 time") from exc
    raise RowError("timestamp_naive", f"{column}={_shown(text)} has no offset from UTC; write it with Z or +00:00")


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 80 else text[:77] + "...")
