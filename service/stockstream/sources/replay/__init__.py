"""Recorded sessions, replayed at any speed."""

from stockstream.sources.replay._rows import ReplayFormat
from stockstream.sources.replay._source import MAX_SPEED, ReplaySource

__all__ = ["MAX_SPEED", "ReplayFormat", "ReplaySource"]
