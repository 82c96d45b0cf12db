"""Numbers and times of a file as exact values: what has one reading is read, and what has two is refused by name."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from stockstream_wire import format_timestamp

# Decimal() itself would take "1_000", " 1", "NaN" and the digits of every script.
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,5})?")
# 1,234,567.89 as English writes it, with blanks or apostrophes as others do, and 1.234.567,89 as Germans do.
_GROUPED: Final = re.compile(r"[+-]?[0-9]{1,3}(?:([,' \u00a0\u202f])[0-9]{3})(?:\1[0-9]{3})*(?:\.[0-9]+)?")
_DECIMAL_COMMA: Final = re.compile(r"[+-]?(?:[0-9]{1,3}(?:[.' \u00a0\u202f][0-9]{3})+|[0-9]+),[0-9]+")
_CURRENCY_SIGNS: Final = "$€£¥"
_INTEGER_MAX_DIGITS: Final = 19
# 45.12M: a volume as websites round it.
_ROUNDED: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)([KMBkmb])")
_UNITS: Final = {"K": 10**3, "M": 10**6, "B": 10**9}

_COMPACT_DATE: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_AMERICAN_DATE: Final = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})(.*)")
_COMPACT_TIME: Final = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})?")
_EPOCH: Final = re.compile(r"([0-9]{9,19})(?:\.([0-9]+))?")
# Digits before the point of a moment between 1973 and 2286, and how many of its units make a second.
_EPOCH_UNITS: Final = {9: 1, 10: 1, 12: 10**3, 13: 10**3, 15: 10**6, 16: 10**6, 18: 10**9, 19: 10**9}
_UTC_WORDS: Final = (" UTC", " GMT", " Z")


class RowError(Exception):
    """A row that is not a quote; `reason` is the stable name in the rejection."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def parse_number(column: str, text: str, *, separator: str = ",") -> Decimal:
    """An exact decimal from text, trailing zeros kept; never through float.

    Args:
        column: For the message.
        text: As it stands in the file.
        separator: What separates the values of the file: among commas, a comma in a number groups thousands.
    """
    if _NUMBER.fullmatch(text) is not None:
        return Decimal(text)
    stripped = text.strip().lstrip(_CURRENCY_SIGNS)
    if not stripped:
        raise RowError("value_missing", f"{column} is empty")
    if _NUMBER.fullmatch(stripped) is not None:
        return Decimal(stripped)
    grouped = _GROUPED.fullmatch(stripped)
    if grouped:
        once = stripped.count(grouped[1]) == 1 and "." not in stripped
        if grouped[1] == "," and once and separator != "," and column != "volume":
            detail = f"{column}={_shown(text)} may be thousands or decimals; write it with a decimal point alone"
            raise RowError("number_ambiguous", detail)
        return Decimal(stripped.replace(grouped[1], ""))
    if _DECIMAL_COMMA.fullmatch(stripped):
        return Decimal(re.sub(r"[^0-9,+-]", "", stripped).replace(",", "."))
    raise RowError("number_malformed", f"{column}={_shown(text)} is not a number")


def parse_volume(column: str, text: str, *, separator: str = ",") -> int:
    """A volume in whole units: coins trade in fractions, of which a whole number is kept."""
    if text.isdecimal() and text.isascii() and len(text) <= _INTEGER_MAX_DIGITS:
        return int(text)
    rounded = _ROUNDED.fullmatch(text.strip())
    number = parse_number(column, rounded[1] if rounded else text, separator=separator)
    if rounded:
        number *= _UNITS[rounded[2].upper()]
    if number and number.adjusted() >= _INTEGER_MAX_DIGITS:
        raise RowError("number_malformed", f"{column}={_shown(text)} is beyond 64 bits")
    return int(number)


def parse_integer(column: str, text: str) -> int:
    """A whole number; `220173.0`, as data frames write it, counts as one."""
    whole = parse_volume(column, text)
    if whole != parse_number(column, text):
        raise RowError("number_malformed", f"{column}={_shown(text)} is not a whole number")
    return whole


def parse_flag(column: str, text: str) -> bool:
    lowered = text.lower()
    if lowered not in {"true", "false", "1", "0"}:
        raise RowError("flag_malformed", f"{column}={_shown(text)} is neither true nor false")
    return lowered in {"true", "1"}


def parse_time(column: str, text: str, *, zone: ZoneInfo | None = None, american: bool = False) -> str:
    """A moment in the wire form: UTC, milliseconds (finer digits are cut off).

    Args:
        column: For the message.
        text: ISO 8601, with an offset or, where `zone` is given, without; or seconds, milliseconds, microseconds or
            nanoseconds since 1970, told apart by their digits. A date alone is its midnight.
        zone: Clock of the times without an offset.
        american: Dates with slashes are month, day, year.
    """
    stripped = text.strip()
    if not stripped:
        raise RowError("value_missing", f"{column} is empty")
    try:
        moment = _moment(stripped, american=american)
        if moment.tzinfo is None and zone is not None:
            moment = moment.replace(tzinfo=zone)
        if moment.tzinfo is not None:
            return format_timestamp(moment)
    except (ValueError, OverflowError) as exc:
        detail = f"{column}={_shown(text)} is neither an ISO 8601 time nor seconds since 1970"
        raise RowError("timestamp_malformed", detail) from exc
    detail = f"{column}={_shown(text)} has no offset from UTC; name its clock: --timezone America/New_York"
    raise RowError("timestamp_naive", detail)


def _moment(text: str, *, american: bool) -> datetime:
    epoch = _EPOCH.fullmatch(text)
    if epoch is not None and len(epoch[1]) in _EPOCH_UNITS:
        seconds, rest = divmod(int(epoch[1]), _EPOCH_UNITS[len(epoch[1])])
        fraction = Decimal(rest) / _EPOCH_UNITS[len(epoch[1])] + (Decimal(f"0.{epoch[2]}") if epoch[2] else 0)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=int(fraction * 1_000_000) % 1_000_000)
    words = _AMERICAN_DATE.fullmatch(text) if american else None
    if words is not None:
        text = f"{words[3]}-{int(words[1]):02d}-{int(words[2]):02d}{words[4]}"
    for word in _UTC_WORDS:
        if text.upper().endswith(word):
            text = text[: -len(word)] + "+00:00"
    return datetime.fromisoformat(text)


def join_date_and_time(day: str, time_of_day: str) -> str:
    """One text of a date and a time in two columns; `20261125` and `153000`, as Stooq writes them, included."""
    compact_day, compact_time = _COMPACT_DATE.fullmatch(day.strip()), _COMPACT_TIME.fullmatch(time_of_day.strip())
    if compact_day:
        day = "-".join(compact_day.groups())
    if compact_time:
        time_of_day = ":".join(part or "00" for part in compact_time.groups())
    return f"{day.strip()} {time_of_day.strip()}"


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 80 else text[:77] + "...")
