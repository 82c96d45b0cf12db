"""Event times as text: ISO 8601, UTC, milliseconds, always 24 characters, so that text order is time order."""

import re
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final

TIMESTAMP_LENGTH: Final = 24
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# What plain producers write: `T` or a blank, seconds and a fraction if they like, and an offset. `fromisoformat` alone
# would take week dates and bare dates too; re.ASCII, for `\d` is the digits of every script.
_ISO_8601: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:[Zz]|[+-]\d{2}(?::?\d{2})?)", re.ASCII
)


def format_timestamp(moment: datetime) -> str:
    """Format an aware datetime as `2026-11-22T14:30:00.000Z`.

    Raises:
        ValueError: the datetime is naive.
    """
    if moment.tzinfo is None:
        msg = f"naive datetime {moment!r}: attach a time zone first"
        raise ValueError(msg)
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def format_epoch_ms(epoch_ms: int) -> str:
    """Format milliseconds since 1970 (UTC) as `2026-11-22T14:30:00.000Z`."""
    seconds, milliseconds = divmod(epoch_ms, 1000)
    return f"{_second(seconds)}.{milliseconds:03d}Z"


@lru_cache(maxsize=1024)  # nearly all who ask share their second with one before them
def _second(epoch_seconds: int) -> str:
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def parse_timestamp(text: str) -> datetime:
    """Parse a wire timestamp, strictly: 24 characters, `Z`, milliseconds.

    Raises:
        ValueError: the text is not of that form, or names no real moment.
    """
    # fromisoformat alone takes ISO week dates too, whose text does not sort as time.
    if len(text) != TIMESTAMP_LENGTH or text[-1] != "Z" or text[7] + text[10] + text[19] != "-T.":
        msg = f"{text!r} is not of the form 2026-11-22T14:30:00.000Z"
        raise ValueError(msg)
    return datetime.fromisoformat(text)


def normalise_timestamp(text: str) -> str:
    """Bring any ISO 8601 date and time with an offset to the wire form; digits finer than milliseconds are cut off.

    `2026-11-25T15:17:00Z`, `2026-11-25 16:17:00.123456+01:00` and their kin, as plain producers write them.

    Raises:
        ValueError: no such form, no offset, or no real moment.
    """
    stripped = text.strip()
    if _ISO_8601.fullmatch(stripped) is None:
        msg = f"{text!r} is not an ISO 8601 time with an offset, such as 2026-11-22T14:30:00.000Z"
        raise ValueError(msg)
    try:
        # Upper case, and a point: the forms that every Python since 3.11 takes.
        return format_timestamp(datetime.fromisoformat(stripped.upper().replace(",", ".")))
    except OverflowError as exc:  # the offset leads out of years 1 to 9999
        msg = f"{text!r} is not an ISO 8601 time with an offset, such as 2026-11-22T14:30:00.000Z"
        raise ValueError(msg) from exc


def timestamp_to_epoch_ms(text: str) -> int:
    """Milliseconds since 1970 (UTC) of a wire timestamp; raises ValueError as `parse_timestamp` does."""
    delta = parse_timestamp(text) - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def parse_date(text: str) -> date:
    """Parse `2026-03-10`, strictly.

    Raises:
        ValueError: another form, or no real day.
    """
    day = date.fromisoformat(text)
    if day.isoformat() != text:
        msg = f"{text!r} is not of the form 2026-03-10"
        raise ValueError(msg)
    return day
