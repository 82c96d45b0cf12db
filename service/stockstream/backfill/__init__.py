"""Gaps that the service noted, and filling them from history."""

from stockstream.backfill.candles import CandleStore, FilledCandle, open_candles
from stockstream.backfill.gaps import Gap, GapLog, GapNotingSource
from stockstream.backfill.run import BackfillReport, SymbolOutcome, backfill
from stockstream.backfill.yahoo_history import YahooHistory
from stockstream.sources.history import HistoryProvider, MinuteBar, SymbolHistory, oldest_start

__all__ = [
    "BackfillReport",
    "CandleStore",
    "FilledCandle",
    "Gap",
    "GapLog",
    "GapNotingSource",
    "HistoryProvider",
    "MinuteBar",
    "SymbolHistory",
    "SymbolOutcome",
    "YahooHistory",
    "backfill",
    "oldest_start",
    "open_candles",
]
