"""From settings to a source; `auto` tries Yahoo and says plainly when it simulates instead."""

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import structlog

from stockstream.clock import SYSTEM_CLOCK, Clock
from stockstream.errors import InputError
from stockstream.settings import Settings
from stockstream.sources.base import Source
from stockstream.sources.watchlist import WatchlistFollower

if TYPE_CHECKING:
    from stockstream.sources.replay import ReplaySource

log = structlog.get_logger("stockstream.sources")


class Choice(NamedTuple):
    """Which source runs.

    Attributes:
        name: Its name in the settings; never `auto`.
        reason: Where `auto` simulates: why Yahoo cannot be had; else empty.
    """

    name: str
    reason: str = ""


async def make_source(settings: Settings, clock: Clock) -> Source:
    """Make the source that the settings name.

    Modules are imported here, when they are chosen: yfinance alone costs most of a second and 99 MB.

    Raises:
        InputError: a replay without files.
        SourceError: the source can never deliver.
    """
    for skipped in settings.symbols.skipped:
        log.warning("symbol_rejected", detail=skipped)
    name = (await choose_source(settings)).name
    if name == "replay":
        return _replay(settings, clock)
    if name == "simulated":
        return _simulated(settings, clock)
    if settings.source == "yahoo-stream":
        return _yahoo_stream(settings, clock)
    return _yahoo(settings, clock)


async def check_source(settings: Settings) -> None:
    """Refuse a replay that cannot start, without starting it.

    Raises:
        InputError: no files, or one that is absent, unreadable, without rows or without a needed column.
    """
    if settings.source == "replay":
        await asyncio.to_thread(_replay(settings, SYSTEM_CLOCK).check_files)


async def choose_source(settings: Settings) -> Choice:
    """Choose the source that runs: the one asked for, and for `auto` Yahoo where it answers, else the simulated one."""
    if settings.source != "auto":
        return Choice(settings.source)
    from stockstream.sources.yahoo import probe  # noqa: PLC0415

    reason = await probe(cache_dir=settings.cache_dir)
    if reason is None:
        log.info("source_chosen", source="yahoo", asked_for="auto")
        return Choice("yahoo")
    log.warning(
        "yahoo_unreachable",
        reason=reason,
        using="simulated",
        meaning="the quotes that follow are SIMULATED, not from the market",
    )
    return Choice("simulated", reason)


def _replay(settings: Settings, clock: Clock) -> "ReplaySource":
    from stockstream.sources.replay import ReplayFormat, ReplaySource  # noqa: PLC0415

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


def _simulated(settings: Settings, clock: Clock) -> Source:
    from stockstream.sources.simulated import SimulatedSource  # noqa: PLC0415

    return SimulatedSource(
        WatchlistFollower(settings.symbols),
        seed=settings.simulated_seed,
        interval_seconds=settings.poll_interval_seconds,
        clock=clock,
    )


def _yahoo(settings: Settings, clock: Clock) -> Source:
    from stockstream.sources.yahoo import yahoo_source  # noqa: PLC0415

    return yahoo_source(settings, clock)


def _yahoo_stream(settings: Settings, clock: Clock) -> Source:
    from stockstream.sources.yahoo_stream import yahoo_stream_source  # noqa: PLC0415

    return yahoo_stream_source(settings, clock)
