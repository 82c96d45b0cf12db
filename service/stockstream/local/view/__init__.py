"""The live terminal view and the summary at the end: pure functions from plain numbers to what rich draws."""

from stockstream.local.view._format import format_age
from stockstream.local.view._live import LiveView
from stockstream.local.view._render import render_view
from stockstream.local.view._state import AlertRow, Notice, StageRow, StageStatus, SymbolRow, ViewState
from stockstream.local.view._summary import render_summary

__all__ = [
    "AlertRow",
    "LiveView",
    "Notice",
    "StageRow",
    "StageStatus",
    "SymbolRow",
    "ViewState",
    "format_age",
    "render_summary",
    "render_view",
]
