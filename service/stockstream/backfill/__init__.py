"""Gaps that the service noted, and filling them from history."""

from stockstream.backfill.auto import GapFiller, gap_filler
from stockstream.backfill.candles import CandleStore, FilledCandle, open_candles
from stockstream.backfill.filled import FilledGaps, read_filled
from stockstream.backfill.gaps import Gap, GapLog, GapNotingSource
from stockstream.backfill.notes import NotedGap, last_seen, noted_gaps
from stockstream.backfill.run import BackfillReport, SymbolOutcome, backfill
from stockstream.backfill.ways import backfill_outbox, open_ways
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
    "NotedGap",
    "SymbolHistory",
    "SymbolOutcome",
    "YahooHistory",
    "backfill",
    "backfill_outbox",
    "gap_filler",
    "last_seen",
    "noted_gaps",
    "oldest_start",
    "open_candles",
    "open_ways",
    "read_filled",
]
