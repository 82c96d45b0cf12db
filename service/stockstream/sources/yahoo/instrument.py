"""What Yahoo says of an instrument: its kind, and the clock that its sessions keep. Pure."""

import functools
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from stockstream_wire.exchanges import known_zone_of
from stockstream_wire.instruments import Kind, VolumeKind, guess_kind, may_be_negative, usual_volume_kind
from stockstream_wire.trading_day import DayRule, day_rule, fixed_offset_zone, is_zone

# Yahoo's `quoteType`, `instrumentType` in a chart.
_KINDS: Final[dict[str, Kind]] = {
    "EQUITY": "equity",
    "ETF": "etf",
    "MUTUALFUND": "fund",
    "MONEYMARKET": "fund",
    "INDEX": "index",
    "CURRENCY": "currency",
    "CRYPTOCURRENCY": "crypto",
    "FUTURE": "future",
    "OPTION": "option",
}
# The farthest that a clock on earth is from UTC.
_OFFSET_MAX_SECONDS: Final = 15 * 3600


class Instrument(NamedTuple):
    """What is known of an instrument.

    Attributes:
        kind: One of `instruments.KINDS`.
        volume_kind: What its volume counts.
        signed: Whether its prices may be zero or below.
        rule: How its sessions count their days; None where nothing says.
    """

    kind: Kind
    volume_kind: VolumeKind
    signed: bool
    rule: DayRule | None

    @property
    def wire_kind(self) -> Kind | None:
        """What a quote carries: a share is not said."""
        return None if self.kind == "equity" else self.kind


def instrument_of_result(result: Mapping[str, Any], symbol: str) -> Instrument:
    """Read the instrument out of a v7 result."""
    offset_ms = result.get("gmtOffSetMilliseconds")
    return _instrument(
        symbol,
        _text(result.get("exchange")),
        _text(result.get("quoteType")),
        _text(result.get("exchangeTimezoneName")),
        offset_ms // 1000 if type(offset_ms) is int else None,
    )


def instrument_of_chart(meta: Mapping[str, Any], symbol: str) -> Instrument:
    """Read the instrument out of a chart's meta block."""
    offset_seconds = meta.get("gmtoffset")
    return _instrument(
        symbol,
        _text(meta.get("exchangeName")),
        _text(meta.get("instrumentType")),
        _text(meta.get("exchangeTimezoneName")),
        offset_seconds if type(offset_seconds) is int else None,
    )


def _instrument(
    symbol: str, exchange: str | None, quote_type: str | None, zone: str | None, offset_seconds: int | None
) -> Instrument:
    kind = _KINDS.get(quote_type or "") or guess_kind(symbol, exchange)
    if zone is None or not is_zone(zone):
        # A name that this machine does not know: the table knows daylight saving, an offset does not.
        zone = known_zone_of(symbol, exchange) or _offset_zone(offset_seconds)
    if zone is None and kind in {"currency", "crypto"}:
        zone = "UTC"  # their day is the kind's, whatever the exchange
    return _instrument_of(kind, zone)


@functools.lru_cache(maxsize=1024)
def _instrument_of(kind: Kind, zone: str | None) -> Instrument:
    return Instrument(
        kind, usual_volume_kind(kind), may_be_negative(kind), None if zone is None else day_rule(kind, zone)
    )


def _offset_zone(offset_seconds: int | None) -> str | None:
    if offset_seconds is None or abs(offset_seconds) > _OFFSET_MAX_SECONDS:
        return None
    return fixed_offset_zone(offset_seconds)


def _text(value: object) -> str | None:
    return value if type(value) is str and value else None
