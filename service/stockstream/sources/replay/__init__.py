"""Recorded sessions, replayed at any speed."""

from stockstream.clock import SYSTEM_CLOCK, Clock
from stockstream.errors import InputError
from stockstream.settings import Settings
from stockstream.sources.replay._rows import ReplayFormat
from stockstream.sources.replay._source import MAX_SPEED, ReplaySource
from stockstream.sources.watchlist import WatchlistFollower

__all__ = ["MAX_SPEED", "ReplayFormat", "ReplaySource", "check_replay", "replay_source"]


def replay_source(settings: Settings, clock: Clock) -> ReplaySource:
    """Make the replay that the settings describe.

    Raises:
        InputError: it names no files.
    """
    if not settings.replay_files:
        msg = "source replay needs files. Remedy: STOCKSTREAM_REPLAY_FILES, or --replay FILE"
        raise InputError(msg)
    return ReplaySource(
        settings.replay_files,
        speed=settings.replay_speed,
        clock=clock,
        symbols=WatchlistFollower(settings.symbols) if "symbols" in settings.model_fields_set else None,
        form=ReplayFormat(zone=settings.replay_timezone, columns=settings.replay_columns),
    )


def check_replay(settings: Settings) -> None:
    """Refuse files that cannot be replayed.

    Raises:
        InputError: none, or one that is absent, unreadable, without rows or without a needed column.
    """
    replay_source(settings, SYSTEM_CLOCK).check_files()
