"""Event times as text: ISO 8601, UTC, milliseconds, always 24 characters, so that text order is time order."""

from datetime import UTC, datetime
from typing import Final

TIMESTAMP_LENGTH: Final = 24
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


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
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{milliseconds:03d}Z"


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


def timestamp_to_epoch_ms(text: str) -> int:
    """Milliseconds since 1970 (UTC) of a wire timestamp; raises ValueError as `parse_timestamp` does."""
    delta = parse_timestamp(text) - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000
