"""What the commands that read share: opening the market, ranges, and rows as text."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from stockstream.cli._target import open_target
from stockstream.cli._times import FORMS, day_or_moment
from stockstream.errors import InputError
from stockstream.settings import Settings

if TYPE_CHECKING:
    from stockstream.alerting import AlertDesk
    from stockstream.reading import Market, Rows

_AGO: Final = re.compile(r"-(\d{1,6})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


@asynccontextmanager
async def market_of(settings: Settings) -> AsyncIterator["Market"]:
    """Open what the settings name: on AWS, or on the local stack where nobody named one."""
    from stockstream.reading import open_market  # noqa: PLC0415 - a wrong option is told at once
    from stockstream.reading.sync import names_of  # noqa: PLC0415

    async with (
        open_target(settings) as target,
        open_market(target.aws, names_of(target.settings)) as market,
    ):
        yield market


@asynccontextmanager
async def market_and_desk_of(settings: Settings) -> AsyncIterator[tuple["Market", "AlertDesk"]]:
    """The same, and the alerts as a person handles them."""
    from stockstream.alerting import open_desk  # noqa: PLC0415
    from stockstream.reading import open_market  # noqa: PLC0415
    from stockstream.reading.sync import names_of  # noqa: PLC0415

    async with (
        open_target(settings) as target,
        open_market(target.aws, names_of(target.settings)) as market,
        open_desk(target.aws, target.settings) as desk,
    ):
        yield market, desk


def moment_of(option: str, text: str | None, now: datetime, *, end_of_day: bool = False) -> datetime | None:
    """Read a time: `-10m` (s, m, h, d), a date of UTC, or ISO 8601 with an offset.

    Raises:
        InputError: naming the option and what it takes.
    """
    if text is None:
        return None
    forms = f"-10m, {FORMS}"
    if found := _AGO.fullmatch(text):
        try:
            return now - timedelta(**{_UNITS[found[2]]: int(found[1])})
        except OverflowError as exc:
            raise InputError(f"{option} {text!r} is before all time: write {forms}") from exc
    return day_or_moment(option, text, forms=forms, end_of_day=end_of_day)


def render_rows(rows: "Rows[Any]", columns: Sequence[str], form: str) -> str:
    """Rows as a table of some columns, or as CSV or JSON lines of all of them."""
    if form == "json":
        return "\n".join(as_json_line(row) for row in rows)
    if form == "csv":
        return rows.to_csv().decode().rstrip("\n")
    cells = [[_cell(getattr(row, name)) for name in columns] for row in rows]
    widths = [max(len(line[index]) for line in [list(columns), *cells]) for index in range(len(columns))]
    lines = [list(columns), *cells]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def as_json_line(row: Any) -> str:
    """A row as one JSON object; prices are numbers with the digits they have."""
    return _encode(row).decode()


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
