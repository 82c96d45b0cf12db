"""Rows as they are handed out: typed, exact, and as a table of Arrow, pandas or Polars where those are installed."""

import csv
import io
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import ModuleType
from typing import Any, Final, TypeVar

import msgspec

from stockstream.errors import InputError
from stockstream.reading.sessions import rule_of
from stockstream_wire import Quote
from stockstream_wire.trading_day import session_date_of

R = TypeVar("R", bound=msgspec.Struct)
_HUNDRED: Final = Decimal(100)
_FOUR_TIMES: Final = 4
_INDICATORS: Final = "indicators"


class StoredQuote(msgspec.Struct, frozen=True, kw_only=True):
    """A quote as it is stored, with what the consumer made of it. Figures mean what docs/market.md says.

    Where the consumer could not judge a quote, its item has the price alone: the other figures are None.

    Attributes:
        symbol: Ticker.
        timestamp: Event time in UTC.
        price: Last trade, in `currency`.
        open: First price of the session.
        high: Highest so far.
        low: Lowest so far.
        previous_close: Close of the session before.
        change: Price less previous close.
        change_percent: The change in percent of the previous close.
        moving_average: Mean of open, high, low and price: the published figure.
        anomaly: The change is beyond the threshold of the deployment.
        volume: None where the feed gave none.
        session: Date of the exchange's session; None in items that lack it.
        late: It came after a later quote of its symbol.
        indicators: The other numbers of the item by name: averages, z-scores, ratios.
    """

    symbol: str
    timestamp: datetime
    price: Decimal
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    previous_close: Decimal | None = None
    change: Decimal | None = None
    change_percent: Decimal | None = None
    moving_average: Decimal | None = None
    anomaly: bool = False
    volume: int | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None
    currency: str | None = None
    exchange: str | None = None
    market_state: str | None = None
    source: str | None = None
    delayed_by_seconds: int | None = None
    polled_at: datetime | None = None
    session: str | None = None
    stale: bool = False
    late: bool = False
    split_suspected: str | None = None
    indicators: dict[str, Decimal] = {}


class StoredAlert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert with the numbers behind it.

    Attributes:
        symbol: Ticker.
        alert_id: Unique within the symbol.
        kind: move, spike, volume, gap, level, stale.
        direction: up, down or none.
        severity: info, warning or critical.
        timestamp: Event time of the quote that fired it.
        price: Price in that quote.
        change_percent: Change against the previous close; None of one at or below 0.
        value: The number that was judged.
        threshold: What it was judged against.
        volume: None where the quote had none: before the opening, or of an instrument without.
        session: Date of the trading session that the quote is of: the `1d` candle's.
        is_sent: The notification service has taken it.
    """

    symbol: str
    alert_id: str
    kind: str
    direction: str
    severity: str
    timestamp: datetime
    price: Decimal
    value: Decimal
    threshold: Decimal
    previous_close: Decimal
    session: str
    change_percent: Decimal | None = None
    volume: int | None = None
    currency: str | None = None
    source: str | None = None
    is_sent: bool = True


class Rows(list[R]):
    """A list of rows that can be a table too."""

    def to_arrow(self, *, exact: bool = False) -> Any:
        """A pyarrow.Table; prices are float64, or decimal128 with every digit where `exact`.

        Raises:
            InputError: pyarrow is not installed.
        """
        pyarrow = _library("pyarrow")
        return pyarrow.table(self._columns(exact=exact))

    def to_pandas(self) -> Any:
        """A pandas.DataFrame; prices are float64, times are aware.

        Raises:
            InputError: pandas is not installed.
        """
        return _library("pandas").DataFrame(self._columns())

    def to_polars(self) -> Any:
        """A polars.DataFrame; prices are Float64.

        Raises:
            InputError: Polars is not installed.
        """
        return _library("polars").DataFrame(self._columns(), strict=False)

    def to_csv(self) -> bytes:
        """A header and a line a row; decimals with every digit, times in UTC as ISO 8601. Empty without rows."""
        text = io.StringIO()
        columns = self._columns(exact=True)
        if columns:
            writer = csv.writer(text)
            writer.writerow(columns)
            writer.writerows([_cell(value) for value in row] for row in zip(*columns.values(), strict=True))
        return text.getvalue().encode()

    def to_dicts(self, *, exact: bool = False) -> list[dict[str, Any]]:
        """Flat dicts of one set of names; indicators become columns of their own, `exact` keeps Decimal."""
        columns = self._columns(exact=exact)
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def _columns(self, *, exact: bool = False) -> dict[str, list[Any]]:
        """Values by name, a list a column, None where a row has none: what every form of table is made from."""
        if not self:
            return {}
        names = [name for name in self[0].__struct_fields__ if name != _INDICATORS]
        columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in self] for name in names}
        if _INDICATORS in self[0].__struct_fields__:
            indicators: list[dict[str, Decimal]] = [getattr(row, _INDICATORS) for row in self]
            for name in dict.fromkeys(name for row in indicators for name in row):
                columns[name] = [row.get(name) for row in indicators]
        if exact:
            return columns
        return {
            name: [float(value) if isinstance(value, Decimal) else value for value in values]
            for name, values in columns.items()
        }


def stored_quote(item: Mapping[str, Any]) -> StoredQuote:
    """An item of the table of quotes as a row."""
    known = {name: item[name] for name in _QUOTE_FIELDS if name in item}
    known |= {
        "timestamp": moment(item["timestamp"]),
        "anomaly": item.get("anomaly") == "Yes",
        "polled_at": moment(item["polled_at"]) if "polled_at" in item else None,
        "indicators": {
            name: value
            for name, value in item.items()
            if isinstance(value, Decimal) and name not in _QUOTE_FIELDS and name != "expires_at"
        },
    }
    for name in ("volume", "delayed_by_seconds"):
        known[name] = int(item[name]) if name in item else None
    return StoredQuote(**known)


def live_quote(quote: Quote, anomaly_threshold_percent: Decimal) -> StoredQuote:
    """A quote of the log as a row: the published figures by the published rule, no indicators."""
    change = quote.price - quote.previous_close
    percent = change / quote.previous_close * _HUNDRED if quote.previous_close else None
    return StoredQuote(
        symbol=quote.symbol,
        timestamp=moment(quote.timestamp),
        price=quote.price,
        open=quote.open,
        high=quote.high,
        low=quote.low,
        previous_close=quote.previous_close,
        change=change,
        change_percent=percent,
        moving_average=(quote.open + quote.high + quote.low + quote.price) / _FOUR_TIMES,
        anomaly=percent is not None and abs(percent) > anomaly_threshold_percent,
        volume=quote.volume,
        bid=quote.bid,
        ask=quote.ask,
        currency=quote.currency,
        exchange=quote.exchange,
        market_state=quote.market_state,
        source=quote.source,
        delayed_by_seconds=quote.delayed_by_seconds,
        polled_at=moment(quote.polled_at) if quote.polled_at else None,
        session=quote.session_date,
        stale=quote.stale,
    )


def stored_alert(item: Mapping[str, Any]) -> StoredAlert:
    """An item of the table of alerts as a row."""
    known = {name: item[name] for name in _ALERT_FIELDS if name in item}
    known |= {
        "timestamp": moment(item["timestamp"]),
        "volume": int(item["volume"]) if "volume" in item else None,
        "is_sent": "unsent" not in item,
        # Alerts of earlier versions do not say.
        "session": item.get("session")
        or session_date_of(item["timestamp"], rule_of(item["symbol"], item.get("exchange"))),
    }
    return StoredAlert(**known)


def moment(text: str) -> datetime:
    """A wire timestamp as an aware time."""
    return datetime.fromisoformat(text)


_QUOTE_FIELDS: Final = frozenset(StoredQuote.__struct_fields__)
_ALERT_FIELDS: Final = frozenset(StoredAlert.__struct_fields__)


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value


def _library(name: str) -> ModuleType:
    from importlib import import_module  # noqa: PLC0415

    try:
        return import_module(name)
    except ModuleNotFoundError as exc:
        raise InputError(f"{name} is not installed. Remedy: pip install {name}, or 'stockstream[notebook]'") from exc
