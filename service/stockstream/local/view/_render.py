"""From a snapshot to the screen: a pure function of state and size, so that every width can be tested as text.

header     what runs, and whether it is the market          2 lines
symbols    price, change, sparkline, volume, anomaly        as many as fit
stages     count, rate and age from source to SNS           below the symbols, or beside them on a wide screen
alerts     as they fire                                     beside the stages
footer     how to stop and where to look                    1 line
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.table import Table
from rich.text import Text

from stockstream.local.view._format import (
    format_age,
    format_change,
    format_count,
    format_percent,
    format_price,
    format_rate,
    format_uptime,
    format_volume,
    sparkline,
)
from stockstream.local.view._state import AlertRow, StageRow, StageStatus, SymbolRow, ViewState

WIDE_COLUMNS: Final = 132
_STAGES_WIDTH: Final = 46
_STAGES_WIDTH_WIDE: Final = 58
_SYMBOLS_WIDTH_WIDE: Final = 104
_HEADER_LINES: Final = 2
_FOOTER_LINES: Final = 1
_TITLE_LINES: Final = 1
# Below this there is no room for stages and alerts: prices are what a person looks for first.
_BODY_LINES_FOR_STAGES: Final = 14
_SYMBOL_COLUMNS_WIDTH: Final = 59  # all columns but the sparkline, with the gaps between them
_SPARKLINE_MIN: Final = 8
_SPARKLINE_MAX: Final = 80

_RISE: Final = "green"
_FALL: Final = "red"
_QUIET: Final = "bright_black"
_STATUS_SIGNS: Final = {
    StageStatus.OK: ("●", "*", "green"),
    StageStatus.WAITING: ("○", "o", _QUIET),
    StageStatus.WARNING: ("▲", "!", "yellow"),
    StageStatus.FAILED: ("✗", "x", "bold red"),
}
_SEVERITY_PREFIX: Final = re.compile(r"^\[[a-z]+\] ")
_PHASE_STYLES: Final = {"running": "bold green", "starting": "bold cyan"}


def render_view(state: ViewState, width: int, height: int, *, ascii_only: bool = False) -> RenderableType:
    """Draw a snapshot for a terminal of `width` columns and `height` lines."""
    body_lines = max(1, height - _HEADER_LINES - _FOOTER_LINES)
    root = Layout()
    root.split_column(
        Layout(_header(state, width), name="header", size=_HEADER_LINES),
        Layout(name="body"),
        Layout(_footer(state, width), name="footer", size=_FOOTER_LINES),
    )
    body = root["body"]
    if body_lines < _BODY_LINES_FOR_STAGES:
        body.update(_symbols(state.symbols, width, body_lines, ascii_only=ascii_only))
    elif width >= WIDE_COLUMNS:
        # A sparkline is worth more than the stages' notes until it shows most of two minutes.
        right_width = min(_STAGES_WIDTH_WIDE, max(_STAGES_WIDTH, width - _SYMBOLS_WIDTH_WIDE))
        left_width = width - right_width - 2
        stage_lines = len(state.stages) + _TITLE_LINES + 1
        right = Layout(name="right", size=right_width)
        right.split_column(
            Layout(_stages(state.stages, right_width, ascii_only=ascii_only), size=stage_lines),
            Layout(_alerts(state, right_width, body_lines - stage_lines)),
        )
        body.split_row(
            Layout(_symbols(state.symbols, left_width, body_lines, ascii_only=ascii_only), size=left_width),
            Layout(Text(" "), size=2),
            right,
        )
    else:
        # One line more than the symbols need, where there is one, sets them apart from the stages.
        wanted_lines = max(1, len(state.symbols)) + _TITLE_LINES + 1
        upper_lines = min(wanted_lines, body_lines - len(state.stages) - _TITLE_LINES)
        lower_lines = body_lines - upper_lines
        alerts_width = max(10, width - _STAGES_WIDTH - 2)
        lower = Layout(name="lower")
        lower.split_row(
            Layout(_stages(state.stages, _STAGES_WIDTH, ascii_only=ascii_only), size=_STAGES_WIDTH),
            Layout(Text(" "), size=2),
            Layout(_alerts(state, alerts_width, lower_lines)),
        )
        body.split_column(
            Layout(_symbols(state.symbols, width, upper_lines, ascii_only=ascii_only), size=upper_lines),
            lower,
        )
    return root


def _header(state: ViewState, width: int) -> RenderableType:
    first = Text(no_wrap=True, overflow="ellipsis")
    first.append("Stockstream", style="bold")
    first.append("  ")
    first.append(state.phase.upper(), style=_PHASE_STYLES.get(state.phase, "bold yellow"))
    first.append(f"  {format_uptime(state.uptime_seconds)}")
    first.append(f"  {state.endpoint_url}", style=_QUIET)
    return Group(first, _banner(state, width))


def _banner(state: ViewState, width: int) -> Text:
    if not state.is_market_data:
        text, style = f"{state.source.upper()} DATA - not from the market", "bold black on yellow"
    elif state.source == "replay":
        text, style = "REPLAY - recorded quotes, not live", "bold black on cyan"
    else:
        text, style = f"source: {state.source}", _QUIET
    if state.source_detail:
        text += f" - {state.source_detail}"
    banner = Text(f" {text} ", style=style, no_wrap=True, overflow="ellipsis")
    if style != _QUIET:
        banner.truncate(width, overflow="ellipsis")
        banner.pad_right(max(0, width - banner.cell_len))
    return banner


def _footer(state: ViewState, width: int) -> Text:
    footer = Text(no_wrap=True, overflow="ellipsis")
    footer.append(" Ctrl-C ", style="reverse")
    footer.append(" stop, drain and print a summary", style=_QUIET)
    if state.notice:
        footer.append(f"   {state.notice}", style="yellow")
        return footer
    # Unsigned and with a region named, it works where the AWS CLI was never configured.
    options = f"--no-sign-request --region us-east-1 --endpoint-url {state.endpoint_url}"
    hint = f"   aws {options} dynamodb scan --table-name quotes"
    if footer.cell_len + len(hint) <= width:
        footer.append(hint, style=_QUIET)
    return footer


def _title(text: str, width: int) -> Text:
    title = Text(f"{text} ", style="bold", no_wrap=True)
    title.truncate(width)
    return title


def _table() -> Table:
    return Table(
        box=None, show_header=True, header_style=_QUIET, padding=(0, 1, 0, 0), pad_edge=False, expand=False
    )  # fmt: skip


def _symbols(rows: Sequence[SymbolRow], width: int, lines: int, *, ascii_only: bool) -> RenderableType:
    if not rows:
        return Text("Waiting for the first quotes ...", style=_QUIET)
    room = max(1, lines - _TITLE_LINES)
    name = "Symbol"
    if len(rows) > room:
        name = f"Top {room}/{len(rows)}"
        rows = sorted(rows, key=lambda row: abs(row.change_percent or Decimal(0)), reverse=True)[:room]
    spark_width = min(_SPARKLINE_MAX, width - _SYMBOL_COLUMNS_WIDTH)
    table = _table()
    table.add_column(name, no_wrap=True, width=10)
    table.add_column("Price", justify="right", no_wrap=True, width=10)
    table.add_column("Change", justify="right", no_wrap=True, width=9)
    table.add_column("%", justify="right", no_wrap=True, width=8)
    if spark_width >= _SPARKLINE_MIN:
        table.add_column("Recent", no_wrap=True, width=spark_width)
    table.add_column("Volume", justify="right", no_wrap=True, width=8)
    table.add_column("", no_wrap=True, width=7)
    for row in rows:
        style = _QUIET if row.is_stale else _RISE if row.change > 0 else _FALL if row.change < 0 else ""
        cells = [
            Text(row.symbol, style="bold"),
            Text(format_price(row.price)),
            Text(format_change(row.change), style=style),
            Text(format_percent(row.change_percent), style=style),
        ]
        if spark_width >= _SPARKLINE_MIN:
            cells.append(Text(sparkline(row.prices, spark_width, ascii_only=ascii_only), style=style))
        cells += [Text(format_volume(row.volume)), _flag(row)]
        table.add_row(*cells)
    return table


def _flag(row: SymbolRow) -> Text:
    if row.is_anomaly:
        return Text("ANOMALY", style="bold white on red")
    return Text("stale", style="yellow") if row.is_stale else Text("")


def _stages(rows: Sequence[StageRow], width: int, *, ascii_only: bool) -> RenderableType:
    table = _table()
    table.add_column("", width=1)
    table.add_column("Stage", no_wrap=True, width=8)
    table.add_column("Count", justify="right", no_wrap=True, width=9)
    table.add_column("Rate", justify="right", no_wrap=True, width=7)
    table.add_column("Age", justify="right", no_wrap=True, width=6)
    table.add_column("", no_wrap=True, width=max(4, width - 36), overflow="ellipsis")
    for row in rows:
        sign, ascii_sign, style = _STATUS_SIGNS[row.status]
        table.add_row(
            Text(ascii_sign if ascii_only else sign, style=style),
            row.name,
            format_count(row.count),
            format_rate(row.rate_per_second),
            format_age(row.lag_seconds),
            Text(row.note, style=_QUIET if row.status in {StageStatus.OK, StageStatus.WAITING} else style),
        )
    return table


def _alerts(state: ViewState, width: int, lines: int) -> RenderableType:
    title = _title(f"Alerts {format_count(state.alerts_total)}" if state.alerts_total else "Alerts", width)
    if not state.alerts:
        return Group(title, Text("none so far", style=_QUIET))
    room = max(1, lines - _TITLE_LINES)
    return Group(title, *(_alert(row, width) for row in list(state.alerts)[:room]))


def _alert(row: AlertRow, width: int) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{row.time} ", style=_QUIET)
    line.append(f"{row.symbol} ", style="bold")
    # An SNS subject begins with severity and symbol; a narrow pane has no room to say them again.
    text = _SEVERITY_PREFIX.sub("", row.text).removeprefix(f"{row.symbol} ")
    line.append(text, style="bold red" if row.is_severe else "")
    line.truncate(width, overflow="ellipsis")
    return line
