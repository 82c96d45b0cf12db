"""One row of text values becomes one quote, exact to the last digit, or a rejection that names the line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from stockstream.sources.base import Rejection
from stockstream.sources.replay._bars import SessionBuilder
from stockstream.sources.replay._columns import (
    OPTIONAL_COLUMNS,
    TIME_OF_DAY,
    check_columns,
    has_american_dates,
    has_bars,
    name_columns,
)
from stockstream.sources.replay._values import (
    RowError,
    join_date_and_time,
    parse_flag,
    parse_integer,
    parse_number,
    parse_time,
    parse_volume,
)
from stockstream_wire import Quote, QuoteInvalidError, validate_quote
from stockstream_wire.trading_day import session_facts

_T = TypeVar("_T")

SOURCE_LABEL: Final = "replay"
_TEXTS_CACHED_MAX: Final = 4096
_CACHED_TEXT_MAX_LENGTH: Final = 40
_SYMBOLS_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class ReplayFormat:
    """What the user says of his files.

    Attributes:
        zone: Clock of the times that have no offset.
        columns: Our name of a column to the file's.
        symbol: The one symbol that a file without such a column is of.
    """

    zone: ZoneInfo | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    symbol: str | None = None


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
        columns: Names of the values of a row, in their order, as the file has them.
        symbols: Rows of other symbols are passed over; None takes all.
        seen: Shared by the files of one replay.
        form: What the user says of the file.
        separator: What separates the values.

    Raises:
        InputError: a required column is missing or named twice.
    """

    def __init__(
        self,
        file_name: str,
        columns: Sequence[str],
        symbols: frozenset[str] | None,
        seen: Seen,
        *,
        form: ReplayFormat | None = None,
        separator: str = ",",
    ) -> None:
        self._form = form or ReplayFormat()
        named = name_columns(file_name, columns, self._form.columns)
        bars = has_bars(columns, named)
        check_columns(file_name, named, symbol_known=self._form.symbol is not None, bars=bars)
        self._file_name = file_name
        self.symbols = symbols
        self._seen = seen
        self._separator = separator
        self._american = has_american_dates(columns)
        self._width = len(named)
        position = {name: index for index, name in enumerate(named)}
        self._position = position
        self._time_of_day = position.get(TIME_OF_DAY)
        self._optional = [(name, position[name]) for name in OPTIONAL_COLUMNS if name in position]
        self._bars = SessionBuilder() if bars else None
        self._timestamps: dict[str, str] = {}
        self._numbers: dict[str, Decimal] = {}
        self.quotes = 0
        self.first_rejection: Rejection | None = None

    def parse(self, line_number: int, values: Sequence[str]) -> Quote | Rejection | None:
        """Parse one row; None means that it is of a symbol not asked for."""
        try:
            return self._parse(values)
        except RowError as exc:
            return self.rejection(line_number, exc.reason, exc.detail)
        except QuoteInvalidError as exc:
            return self.rejection(line_number, exc.code, str(exc))

    def peek(self, values: Sequence[str]) -> tuple[str, str]:
        """Symbol and event time of a row, and nothing remembered.

        Raises:
            RowError: it has no such time.
        """
        if len(values) != self._width:
            raise RowError("column_count", f"has {len(values)} values where the header has {self._width}")
        symbol = values[self._position["symbol"]].strip().upper() if "symbol" in self._position else ""
        return symbol, self._moment(values)

    def rejection(self, line_number: int, reason: str, detail: str) -> Rejection:
        rejection = Rejection(f"{self._file_name}:{line_number}", reason, detail)
        if self.first_rejection is None:
            self.first_rejection = rejection
        return rejection

    def _parse(self, values: Sequence[str]) -> Quote | None:
        if len(values) != self._width:
            raise RowError("column_count", f"has {len(values)} values where the header has {self._width}")
        position, number = self._position, self._number
        symbol = values[position["symbol"]].strip().upper() if "symbol" in position else self._form.symbol or ""
        if self.symbols is not None and symbol not in self.symbols:
            return None
        fields: dict[str, Any] = {
            "symbol": symbol,
            "timestamp": self._moment(values),
            "open": number("open", values[position["open"]]),
            "high": number("high", values[position["high"]]),
            "low": number("low", values[position["low"]]),
            "price": number("price", values[position["price"]]),
            "volume": self._volume(values[position["volume"]]),
            "source": SOURCE_LABEL,
        }
        if self._optional:
            fields.update(self._extras(values))
        if self._bars is not None:
            quote = self._bars.quote(fields)
        else:
            quote = Quote(previous_close=number("previous_close", values[position["previous_close"]]), **fields)
        quote = _with_session(quote)
        validate_quote(quote)
        if self._seen.is_duplicate(symbol, quote.timestamp):
            raise RowError("duplicate_row", f"{symbol} at {quote.timestamp} was in the replay already")
        self.quotes += 1
        return quote

    def _moment(self, values: Sequence[str]) -> str:
        text = values[self._position["timestamp"]]
        if self._time_of_day is not None:
            text = join_date_and_time(text, values[self._time_of_day])
        return self._timestamp("timestamp", text)

    def _volume(self, text: str) -> int | None:
        # A figure that is not there is not 0; some exports write it as a dash.
        return None if text.strip() in {"", "-"} else parse_volume("volume", text, separator=self._separator)

    def _timestamp(self, column: str, text: str) -> str:
        known = self._timestamps.get(text)
        if known is None:
            known = parse_time(column, text, zone=self._form.zone, american=self._american)
            _remember(self._timestamps, text, known)
        return known

    def _number(self, column: str, text: str) -> Decimal:
        # Open, high, low and previous close hardly change within a session.
        known = self._numbers.get(text)
        if known is None:
            known = parse_number(column, text, separator=self._separator)
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
            elif name in {"stale", "regular"}:
                extras[name] = parse_flag(name, text)
            else:
                extras[name] = text
        return extras


def _with_session(quote: Quote) -> Quote:
    """Say the session where the row itself says enough to know it; else the consumer guesses, and says so."""
    facts = session_facts(quote)
    if facts.guessed or quote.session_date is not None:
        return quote
    return msgspec.structs.replace(
        quote, session_date=facts.session_date, volume_kind=facts.volume_kind, regular=facts.regular
    )


def _remember(cache: dict[str, _T], text: str, value: _T) -> None:
    if len(text) > _CACHED_TEXT_MAX_LENGTH:
        return
    if len(cache) >= _TEXTS_CACHED_MAX:
        cache.clear()
    cache[text] = value
