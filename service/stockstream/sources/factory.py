"""From settings to a source; `auto` tries the market and says plainly when it simulates instead."""

import asyncio
from typing import Final, NamedTuple, cast

import structlog

from stockstream.clock import Clock
from stockstream.settings import Settings, Watchlist
from stockstream.source_kinds import (
    AUTO,
    AUTO_FALLS_BACK_TO,
    AUTO_TRIES,
    DEMO_WATCHLIST,
    SourceKind,
    at_place,
    source_kind,
)
from stockstream.sources.base import ProbeResult, Source

PROBE_TIMEOUT_SECONDS: Final = 6.0

log = structlog.get_logger("stockstream.sources")


class Choice(NamedTuple):
    """Which source runs.

    Attributes:
        name: Its name in the settings; never `auto`.
        reason: Where `auto` simulates: why the market cannot be had; else empty.
    """

    name: str
    reason: str = ""


async def make_source(settings: Settings, clock: Clock) -> Source:
    """Make the source that the settings name.

    Raises:
        InputError: a replay without files.
        SourceError: the source can never deliver.
    """
    for skipped in settings.symbols.skipped:
        log.warning("symbol_rejected", detail=skipped)
    kind = source_kind((await choose_source(settings)).name)
    return cast("Source", at_place(kind.make)(settings, clock))


async def check_source(settings: Settings) -> None:
    """Refuse a source of which can be seen that it cannot start, without starting it.

    Raises:
        InputError: a replay's files cannot be replayed, a source lacks its keys.
    """
    if settings.source != AUTO and (check := source_kind(settings.source).check) is not None:
        await asyncio.to_thread(at_place(check), settings)


async def probe_source(kind: SourceKind, settings: Settings, timeout_seconds: float) -> ProbeResult | None:
    """Ask a source whether it can be reached; None where that means nothing: files, the simulated market."""
    if kind.probe is None:
        return None
    return cast("ProbeResult", await at_place(kind.probe)(settings, timeout_seconds))


async def choose_source(settings: Settings) -> Choice:
    """Choose the source that runs: the one asked for, and for `auto` Yahoo where it answers, else the simulated one."""
    if settings.source != AUTO:
        return Choice(settings.source)
    result = await probe_source(source_kind(AUTO_TRIES), settings, PROBE_TIMEOUT_SECONDS)
    if result is None or result.reachable:
        log.info("source_chosen", source=AUTO_TRIES, asked_for=AUTO)
        return Choice(AUTO_TRIES)
    log.warning(
        "source_unreachable",
        source=AUTO_TRIES,
        reason=result.detail,
        using=AUTO_FALLS_BACK_TO,
        meaning="the quotes that follow are SIMULATED, not from the market",
    )
    return Choice(AUTO_FALLS_BACK_TO, result.detail)


def with_own_symbols(settings: Settings) -> Settings:
    """Give a source that has a watchlist of its own that one, where nobody has named symbols."""
    symbols = DEMO_WATCHLIST if settings.source == AUTO else source_kind(settings.source).own_symbols
    if not symbols or "symbols" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"symbols": Watchlist(symbols)})
