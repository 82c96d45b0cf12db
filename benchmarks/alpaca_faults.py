"""Hours of an Alpaca gone wrong, of the stream; with `--polled` of the polling source.

`python -m benchmarks.alpaca_faults [--polled] [--json FILE] [--hour-seconds N] [FAULT ...]`.
"""

import asyncio
import sys
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Any, Final

from benchmarks.fault_hours import TICK_SECONDS, FastClock, HourReport, Trial, main, run_hour
from stockstream.settings import Watchlist
from stockstream.sources.alpaca import AlpacaAccess, AlpacaOptions, AlpacaSource, AlpacaStreamSource
from stockstream.sources.watchlist import WatchlistFollower
from stockstream.sources.yahoo.hours import Hours, TradingHours
from tests.alpaca_standin import KEY_ID, SECRET_KEY, AlpacaStandin, Fault

SYMBOLS: Final = ("AAPL", "MSFT", "SPY")
# Half past ten in New York: the hour, what comes before it and what may come after lie in one session.
_OPEN: Final = datetime(2026, 11, 25, 15, 30, tzinfo=UTC)
_OF_REQUESTS: Final = frozenset(fault for fault in Fault if fault.startswith("rest-"))
_MIXED: Final = (Fault.ABORT, Fault.REST_500, Fault.OLD_TRADES)


async def _no_calendars(*_: Any) -> Mapping[str, Hours]:
    return {}


def run(name: str, faults: Collection[str], hour_seconds: float, *, polled: bool = False) -> HourReport:
    """Run an hour of some faults."""
    fast = FastClock(_OPEN)

    def trial_of(standin: AlpacaStandin) -> Trial:
        watchlist = WatchlistFollower(Watchlist(SYMBOLS))
        options = AlpacaOptions(access=AlpacaAccess(KEY_ID, SECRET_KEY), interval_seconds=30)
        common: dict[str, Any] = {
            "clock": fast.clock,
            "rng": Random(1),
            "url": standin.url,
            "hours": TradingHours(_no_calendars),
        }

        def order(names: Collection[str]) -> None:
            standin.faults = {Fault(name) for name in names}

        if polled:
            return Trial(AlpacaSource(watchlist, options, **common), None, order)
        source = AlpacaStreamSource(watchlist, options, feed_url=standin.feed_url, **common)
        return Trial(source, source.connection, order)

    standin = AlpacaStandin(SYMBOLS, now=lambda: fast.now().timestamp(), tick_seconds=TICK_SECONDS)
    return asyncio.run(
        run_hour(
            name, faults, hour_seconds,
            fast=fast, standin=standin, trial_of=trial_of, symbols=SYMBOLS, gives_up=True,
        )
    )  # fmt: skip


if __name__ == "__main__":
    if "--polled" in sys.argv:
        sys.argv.remove("--polled")
        main(__doc__, sorted(_OF_REQUESTS), (), partial(run, polled=True))
    else:
        main(__doc__, list(Fault), _MIXED, run)
