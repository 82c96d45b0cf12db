"""Hours of exchanges by `exchange_calendars`, read in a process of their own.

`python -m stockstream.sources.yahoo._calendars FIRST LAST NAME…` prints `{NAME: {"spans": …} or {"error": …}}`. The
library and a calendar leave 17 MB in a process that needs a few hundred numbers of them once a week: so the numbers
come from a child, and the memory goes with it.
"""

import json
import sys
from datetime import date
from typing import Any, Final

# Some calendars end with a year (XSHG, XBOM in 2026) and refuse to be asked further.
_LAST_MONTH_AND_DAY: Final = (12, 31)


def read_calendar(name: str, first: date, last: date) -> dict[str, Any]:
    """Read a calendar's hours.

    Args:
        name: Of `exchange_calendars`.
        first: First day.
        last: Last day; what is beyond the calendar's last year is left out.

    Returns:
        `spans`, from opening to close in seconds since 1970, a session with a break as two; `last`, the last day known.

    Raises:
        ValueError: the calendar ended before `first`.
    """
    import exchange_calendars  # noqa: PLC0415 - in the child alone

    try:
        calendar = exchange_calendars.get_calendar(name, start=first, end=last)
    except ValueError:
        last = min(last, date(first.year, *_LAST_MONTH_AND_DAY))
        calendar = exchange_calendars.get_calendar(name, start=first, end=last)
    spans: list[tuple[int, int]] = []
    for row in calendar.schedule.itertuples():
        opens, closes = int(row.open.timestamp()), int(row.close.timestamp())
        if row.break_start == row.break_start:  # NaT, where there is no break, is not itself
            spans.append((opens, int(row.break_start.timestamp())))
            opens = int(row.break_end.timestamp())
        spans.append((opens, closes))
    return {"spans": spans, "last": last.isoformat()}


def main(arguments: list[str]) -> None:
    """Read calendars and print them; one that fails costs no other."""
    first, last = (date.fromisoformat(argument) for argument in arguments[:2])
    found: dict[str, dict[str, Any]] = {}
    for name in arguments[2:]:
        try:
            found[name] = read_calendar(name, first, last)
        except Exception as exc:  # noqa: BLE001 - whatever a calendar stumbles over, it is that calendar's
            found[name] = {"error": f"{type(exc).__name__}: {exc}"[:200]}
    print(json.dumps(found))  # noqa: T201 - what the parent reads


if __name__ == "__main__":
    main(sys.argv[1:])
