"""Times as they are written on a command line."""

from datetime import UTC, datetime, timedelta
from typing import Final

from stockstream.errors import InputError

_DATE_LENGTH: Final = len("2026-11-20")
FORMS: Final = "2026-11-20 or 2026-11-20T14:30Z"


def day_or_moment(option: str, text: str, *, forms: str = FORMS, end_of_day: bool = False) -> datetime:
    """Read a date, which is a day of UTC, or ISO 8601 with an offset.

    Args:
        option: Its name, for messages.
        text: What was written.
        forms: What it may be, for messages.
        end_of_day: Take a date to its end.

    Raises:
        InputError: naming the option and what it takes.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
        if len(text) <= _DATE_LENGTH:
            return moment.replace(tzinfo=UTC) + timedelta(days=1 if end_of_day else 0)
    except (ValueError, OverflowError) as exc:
        raise InputError(f"{option} {text!r} is not a time: write {forms}") from exc
    raise InputError(f"{option} {text!r} has no offset from UTC: write {text}Z or {text}-05:00")
