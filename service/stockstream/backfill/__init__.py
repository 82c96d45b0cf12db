"""Gaps that the service noted, and filling them from history."""

from stockstream.backfill.auto import GapFiller, backfill_outbox, gap_filler, open_ways
from stockstream.backfill.candles import CandleStore, FilledCandle, open_candles
from stockstream.backfill.filled import FilledGaps, read_filled
from stockstream.backfill.gaps import Gap, GapLog, GapNotingSource
from stockstream.backfill.run import BackfillReport, SymbolOutcome, backfill
from stockstream.backfill.yahoo_history import YahooHistory
from stockstream.sources.history import HistoryProvider, MinuteBar, SymbolHistory, oldest_start

__all__ = [
    "BackfillReport",
    "CandleStore",
    "FilledCandle",
    "FilledGaps",
    "Gap",
    "GapFiller",
    "GapLog",
    "GapNotingSource",
    "HistoryProvider",
    "MinuteBar",
    "SymbolHistory",
    "SymbolOutcome",
    "YahooHistory",
    "backfill",
    "backfill_outbox",
    "gap_filler",
    "oldest_start",
    "open_candles",
    "open_ways",
    "read_filled",
]
