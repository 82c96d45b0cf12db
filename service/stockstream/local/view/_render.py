"""From a snapshot to the screen: a pure function of state and size, so that every width can be tested as text.

header     what runs, where its page is; where it is not the market, that  1 or 2 lines
symbols    price, change, sparkline, volume, anomaly                       as many as fit, taller where there is room
stages     count, rate and age from source to SNS                          below the symbols, or beside them where wide
alerts     as they fire                                                    beside the stages
notices    what a person should know                                       1 to 4 lines
footer     how to stop and where to look                                   1 line, more where the command is long

A small terminal has the lights of the stages in one line, and no alerts.
"""

import textwrap
from typing import Final

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.text import Text

from stockstream.local.view._format import format_uptime
from stockstream.local.view._panes import (
    STATUS_SIGNS,
    alerts_pane,
    lights_line,
    shortened,
    stages_pane,
    stages_width,
    symbols_pane,
)
from stockstream.local.view._state import ViewState

WIDE_COLUMNS: Final = 132
# What an alert of a usual symbol takes: time, name, change, price.
_ALERTS_WIDTH: Final = 30
_ALERTS_WIDTH_WIDE: Final = 44
_TITLE_LINES: Final = 1
# Below this there is no room for stages and alerts: prices are what a person looks for first.
_BODY_LINES_FOR_STAGES: Final = 16
_BODY_LINES_FOR_LIGHTS: Final = 4
_NOTICE_LINES_MAX: Final = 4
_LINES_A_NOTICE: Final = 2
_LOOK_LINES_MAX: Final = 3
_GAP: Final = 2
_APART: Final = "   "

_QUIET: Final = "bright_black"
_PHASE_STYLES: Final = {"running": "bold green", "starting": "bold cyan"}
_STOP: Final = (
    (" q or Ctrl-C ", " stops, drains and prints a summary"),
    (" q or Ctrl-C ", " stops and drains"),
    (" q ", " stops"),
)
_STOP_AGAIN: Final = (
    (" Ctrl-C ", " again ends at once; what is accepted stays in the outbox, and the next run sends it"),
    (" Ctrl-C ", " again ends at once; the outbox keeps the rest"),
    (" Ctrl-C ", " again: at once"),
)
# With fewer lines there is none to spare for a notice that may come.
_LINES_FOR_A_SPACE: Final = 20


def render_view(state: ViewState, width: int, height: int, *, ascii_only: bool = False) -> RenderableType:
    """Draw a snapshot for a terminal of `width` columns and `height` lines."""
    notices = _notices(state, width, max(1, min(_NOTICE_LINES_MAX, height // 8)), ascii_only=ascii_only)
    if not notices and height >= _LINES_FOR_A_SPACE:
        notices = [Text("")]  # a screen that jumps by a line when something is said is hard to read
    footer = _footer(state, width)[-max(1, height // 6) :]
    header = _header(state, width)
    body_lines = max(1, height - len(header) - len(footer) - len(notices))
    root = Layout()
    root.split_column(
        Layout(Group(*header), name="header", size=len(header)),
        Layout(name="body"),
        Layout(Group(*notices, *footer), name="footer", size=len(notices) + len(footer)),
    )
    body = root["body"]
    if body_lines < _BODY_LINES_FOR_STAGES:
        _small(body, state, width, body_lines, ascii_only=ascii_only)
    elif width >= WIDE_COLUMNS:
        _wide(body, state, width, body_lines, ascii_only=ascii_only)
    else:
        _narrow(body, state, width, body_lines, ascii_only=ascii_only)
    return root


def _small(body: Layout, state: ViewState, width: int, lines: int, *, ascii_only: bool) -> None:
    lights = lights_line(state.stages, width, ascii_only=ascii_only)
    if not lights or lines < _BODY_LINES_FOR_LIGHTS:
        body.update(symbols_pane(state.symbols, width, lines, ascii_only=ascii_only))
        return
    body.split_column(
        Layout(symbols_pane(state.symbols, width, lines - 1, ascii_only=ascii_only), size=lines - 1),
        Layout(lights, size=1),
    )


def _wide(body: Layout, state: ViewState, width: int, lines: int, *, ascii_only: bool) -> None:
    right_width = min(max(stages_width(state.stages), _ALERTS_WIDTH_WIDE), width // 2)
    left_width = width - right_width - _GAP
    stage_lines = len(state.stages) + _TITLE_LINES + 1
    right = Layout(name="right", size=right_width)
    right.split_column(
        Layout(stages_pane(state.stages, right_width, ascii_only=ascii_only), size=stage_lines),
        Layout(alerts_pane(state, right_width, lines - stage_lines)),
    )
    body.split_row(
        Layout(symbols_pane(state.symbols, left_width, lines, ascii_only=ascii_only), size=left_width),
        Layout(Text(" "), size=_GAP),
        right,
    )


def _narrow(body: Layout, state: ViewState, width: int, lines: int, *, ascii_only: bool) -> None:
    upper_lines = max(1, lines - len(state.stages) - _TITLE_LINES)
    left_width = min(stages_width(state.stages), width - _ALERTS_WIDTH - _GAP)
    lower = Layout(name="lower")
    if left_width < stages_width(state.stages, with_notes=False):
        lower.update(stages_pane(state.stages, width, ascii_only=ascii_only))
    else:
        lower.split_row(
            Layout(stages_pane(state.stages, left_width, ascii_only=ascii_only), size=left_width),
            Layout(Text(" "), size=_GAP),
            Layout(alerts_pane(state, width - left_width - _GAP, lines - upper_lines)),
        )
    body.split_column(
        Layout(symbols_pane(state.symbols, width, upper_lines, ascii_only=ascii_only), size=upper_lines),
        lower,
    )


def _header(state: ViewState, width: int) -> list[Text]:
    phase = Text(state.phase.upper(), style=_PHASE_STYLES.get(state.phase, "bold yellow"))
    page = Text(f"Page {state.page_url}" if state.page_url else "")
    uptime, name = Text(format_uptime(state.uptime_seconds)), Text("Stockstream", style="bold")
    banner = _banner(state, width)
    source = Text("" if banner else f"source: {state.source}", style=_QUIET)
    endpoint = Text(f"AWS {state.endpoint_url}", style=_QUIET)
    parts = [part for part in (name, phase, uptime, page, source, endpoint) if part]
    # The page's address is the last to go, whole.
    for part in (endpoint, name, uptime, source, phase):
        if sum(kept.cell_len + _GAP for kept in parts) - _GAP > width:
            parts = [kept for kept in parts if kept is not part]
    first = Text(" " * _GAP).join(parts)
    first.no_wrap, first.overflow = True, "ellipsis"
    return [first, *banner]


def _banner(state: ViewState, width: int) -> list[Text]:
    """The line of data that is not the market's, or not of today; it says in as many words as fit why."""
    if not state.is_market_data:
        text, style = f"{state.source.upper()} DATA - not from the market", "bold black on yellow"
    elif state.source == "replay":
        text, style = "REPLAY - recorded quotes, not live", "bold black on cyan"
    else:
        return []
    why = state.source_detail
    texts = [f" {text} - {detail} " for detail in (why, why.partition(" (")[0]) if detail]
    fitting = next((each for each in texts if cell_len(each) <= width), None)
    banner = Text(fitting) if fitting else shortened(Text((texts or [f" {text} "])[0].rstrip()), width)
    banner.style, banner.no_wrap = style, True
    banner.pad_right(max(0, width - banner.cell_len))
    return [banner]


def _notices(state: ViewState, width: int, lines_max: int, *, ascii_only: bool) -> list[Text]:
    lines: list[Text] = []
    for notice in state.notices:
        room = min(_LINES_A_NOTICE, lines_max - len(lines))
        if room <= 0:
            break
        sign, ascii_sign, style = STATUS_SIGNS[notice.status]
        lines += _wrapped(f"{ascii_sign if ascii_only else sign} {notice.text}", width, room, style)
    return lines


def _wrapped(text: str, width: int, lines: int, style: str) -> list[Text]:
    parts = textwrap.wrap(text, width, max_lines=lines, placeholder=" …", break_on_hyphens=False)
    return [Text(part, style=style, no_wrap=True) for part in parts]


def _footer(state: ViewState, width: int) -> list[Text]:
    variants = _STOP_AGAIN if state.is_stopping else _STOP
    look = f"Look inside: {state.look_command}" if state.look_command else ""
    room = width - len(_APART) - cell_len(look)
    fitting = next((pair for pair in variants if len("".join(pair)) <= room), None)
    keys, text = fitting or next((pair for pair in variants if len("".join(pair)) <= width), variants[-1])
    footer = Text(no_wrap=True, overflow="ellipsis")
    footer.append(keys, style="reverse")
    footer.append(text, style=_QUIET)
    if fitting is None:
        return [*_wrapped(look, width, _LOOK_LINES_MAX, ""), footer]
    footer.append(f"{_APART}{look}")
    # Unsigned and with a region named, it works where the AWS CLI was never configured.
    options = f"--no-sign-request --region us-east-1 --endpoint-url {state.endpoint_url}"
    hint = f"{_APART}or aws {options} dynamodb scan --table-name quotes"
    if footer.cell_len + len(hint) <= width:
        footer.append(hint, style=_QUIET)
    return [footer]
