"""The panes of the screen: symbols, stages, alerts. Columns are as wide as what is in them; no number is cut."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stockstream.local.view._format import (
    format_age,
    format_change,
    format_count,
    format_percent,
    format_price,
    format_rate,
    format_volume,
    sparkline,
)
from stockstream.local.view._state import AlertRow, StageRow, StageStatus, SymbolRow, ViewState

_TITLE_LINES: Final = 1
_SPARKLINE_MIN: Final = 8
_SPARKLINE_MAX: Final = 120
_SPARKLINE_LINES_MAX: Final = 4
_SPARKLINE_LINES_WITH_GAP: Final = 3
# Narrower than its widest would be, were it to change from one quote to the next: columns should stand still.
_PRICE_WIDTH_MIN: Final = 10
_CHANGE_WIDTH_MIN: Final = 8
_NOTE_WIDTH_MIN: Final = 4
# "83,795 waiting": what stands beside the stages should not move with each digit.
_NOTE_WIDTH_USUAL: Final = 14

_RISE: Final = "green"
_FALL: Final = "red"
_QUIET: Final = "bright_black"
STATUS_SIGNS: Final = {
    StageStatus.OK: ("●", "*", "green"),
    StageStatus.WAITING: ("○", "o", _QUIET),
    StageStatus.WARNING: ("▲", "!", "yellow"),
    StageStatus.FAILED: ("✗", "x", "bold red"),
}
_SEVERITY_PREFIX: Final = re.compile(r"^\[[a-z]+\] ")


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the table; those with a higher `rank` go first where there is no room."""

    title: str
    cells: Sequence[Text]
    justify: Literal["left", "right"] = "right"
    rank: int = 0
    least: int = 0

    @property
    def width(self) -> int:
        return max(self.least, len(self.title), *(cell.cell_len for cell in self.cells))


def symbols_pane(rows: Sequence[SymbolRow], width: int, lines: int, *, ascii_only: bool) -> RenderableType:
    """The watchlist; where it does not fit, the largest movers, and how many of how many."""
    if not rows:
        return Text("Waiting for the first quotes ...", style=_QUIET)
    room = max(1, lines - _TITLE_LINES)
    name = "Symbol"
    if len(rows) > room:
        name = f"Top {room}/{len(rows):,}"
        rows = sorted(rows, key=lambda row: abs(row.change_percent or Decimal(0)), reverse=True)[:room]
    styles = [_style(row) for row in rows]
    columns = [
        _Column(name, [Text(row.symbol, style="bold") for row in rows], "left"),
        _Column("Price", [Text(format_price(row.price)) for row in rows], least=_PRICE_WIDTH_MIN),
        _Column(
            "Change",
            [Text(format_change(row.change), style=style) for row, style in zip(rows, styles, strict=True)],
            rank=3,
            least=_CHANGE_WIDTH_MIN,
        ),
        _Column(
            "%",
            [Text(format_percent(row.change_percent), style=style) for row, style in zip(rows, styles, strict=True)],
            rank=1,
            least=_CHANGE_WIDTH_MIN,
        ),
        _Column("Volume", [Text(format_volume(row.volume)) for row in rows], rank=4),
        _Column("", [_flag(row) for row in rows], "left", rank=2),
    ]
    while _taken(columns) > width and any(column.rank for column in columns):
        columns.remove(max(columns, key=lambda column: column.rank))
    spark_width = min(_SPARKLINE_MAX, width - _taken(columns) - 1)
    if spark_width >= _SPARKLINE_MIN:
        spark_lines = max(1, min(_SPARKLINE_LINES_MAX, room // len(rows)))
        # Where there is room, a row's line of prices does not touch the next one's.
        drawn_lines, gap = (spark_lines - 1, "\n") if spark_lines >= _SPARKLINE_LINES_WITH_GAP else (spark_lines, "")
        sparks = [
            Text(sparkline(row.prices, spark_width, drawn_lines, ascii_only=ascii_only) + gap, style=style)
            for row, style in zip(rows, styles, strict=True)
        ]
        place = next((index for index, column in enumerate(columns) if column.title == "Volume"), len(columns))
        columns.insert(place, _Column("Recent", sparks, "left", least=spark_width))
    return _table(columns, spark_width)


def _taken(columns: Sequence[_Column]) -> int:
    return sum(column.width for column in columns) + len(columns) - 1


def _table(columns: Sequence[_Column], spark_width: int) -> Table:
    table = _bare_table()
    for column in columns:
        is_spark = column.title == "Recent"
        # The newest price is at the right edge, and the title above it; lines of blocks must not be justified.
        title, width = (column.title.rjust(spark_width), spark_width) if is_spark else (column.title, column.width)
        table.add_column(title, justify=column.justify, no_wrap=True, width=width)
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*cells)
    return table


def _bare_table() -> Table:
    return Table(
        box=None, show_header=True, header_style=_QUIET, padding=(0, 1, 0, 0), pad_edge=False, expand=False
    )  # fmt: skip


def _style(row: SymbolRow) -> str:
    if row.is_stale:
        return _QUIET
    return _RISE if row.change > 0 else _FALL if row.change < 0 else ""


def _flag(row: SymbolRow) -> Text:
    if row.is_anomaly:
        return Text("ANOMALY", style="bold white on red")
    return Text("stale", style="yellow") if row.is_stale else Text("       ")


def stages_width(rows: Sequence[StageRow], *, with_notes: bool = True) -> int:
    """Columns that the stages take with all their notes, or with a few letters of each."""
    columns = _stage_columns(rows, ascii_only=True)
    return _taken(columns) if with_notes else _taken(columns[:-1]) + 1 + _NOTE_WIDTH_MIN


def stages_pane(rows: Sequence[StageRow], width: int, *, ascii_only: bool) -> RenderableType:
    """Every stage; a note that does not fit is shortened, a number never."""
    columns = _stage_columns(rows, ascii_only=ascii_only)
    table = _bare_table()
    for column in columns[:-1]:
        table.add_column(column.title, justify=column.justify, no_wrap=True, width=column.width)
    note_width = max(_NOTE_WIDTH_MIN, width - _taken(columns[:-1]) - 1)
    table.add_column("", no_wrap=True, width=note_width, overflow="ellipsis")
    for *cells, note in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*cells, shortened(note, note_width))
    return table


def shortened(text: Text, width: int) -> Text:
    """Cut between words, with its colours: half a number would be another one."""
    if text.cell_len <= width:
        return text
    told = text[: max(0, text.plain[: max(0, width - 1)].rfind(" "))]
    return told.append(" …") if told else text[: max(0, text.plain[: width + 1].rfind(" "))]


def _stage_columns(rows: Sequence[StageRow], *, ascii_only: bool) -> list[_Column]:
    signs = [STATUS_SIGNS[row.status] for row in rows]
    return [
        _Column("", [Text(plain if ascii_only else sign, style=style) for sign, plain, style in signs], "left"),
        _Column("Stage", [Text(row.name) for row in rows], "left"),
        _Column("Count", [Text(format_count(row.count)) for row in rows], least=7),
        _Column("Rate", [Text(format_rate(row.rate_per_second)) for row in rows], least=7),
        _Column("Age", [Text(format_age(row.lag_seconds)) for row in rows], least=5),
        _Column("", [_note(row) for row in rows], "left", least=_NOTE_WIDTH_USUAL),
    ]


def _note(row: StageRow) -> Text:
    quiet = row.status in {StageStatus.OK, StageStatus.WAITING}
    return Text(row.note, style=_QUIET if quiet else STATUS_SIGNS[row.status][2])


def lights_line(rows: Sequence[StageRow], width: int, *, ascii_only: bool) -> Text:
    """The lights alone, where there is no room for more; those that are not well where not even for that."""
    every = _lights(rows, ascii_only=ascii_only)
    unwell = [row for row in rows if row.status in {StageStatus.WARNING, StageStatus.FAILED}]
    return every if every.cell_len <= width else shortened(_lights(unwell, ascii_only=ascii_only), width)


def _lights(rows: Sequence[StageRow], *, ascii_only: bool) -> Text:
    signs = [STATUS_SIGNS[row.status] for row in rows]
    parts = [
        Text.assemble((plain if ascii_only else sign, style), row.name)
        for row, (sign, plain, style) in zip(rows, signs, strict=True)
    ]
    return Text(" ").join(parts)


def alerts_pane(state: ViewState, width: int, lines: int) -> RenderableType:
    """The newest alerts."""
    title = Text(f"Alerts {format_count(state.alerts_total)}" if state.alerts_total else "Alerts", style="bold")
    title.truncate(width)
    if not state.alerts:
        return Group(title, Text("none so far", style=_QUIET))
    room = max(1, lines - _TITLE_LINES)
    return Group(title, *(_alert(row, width) for row in list(state.alerts)[:room]))


def _alert(row: AlertRow, width: int) -> Text:
    line = Text(no_wrap=True)
    line.append(f"{row.time} ", style=_QUIET)
    line.append(f"{row.symbol} ", style="bold")
    # An SNS subject begins with severity and symbol; a narrow pane has no room to say them again.
    text = _SEVERITY_PREFIX.sub("", row.text).removeprefix(f"{row.symbol} ")
    line.append(text, style="bold red" if row.is_severe else "")
    return shortened(line, width)
