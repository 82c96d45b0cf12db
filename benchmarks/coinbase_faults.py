"""Hours of a Coinbase gone wrong.

`python -m benchmarks.coinbase_faults [--json FILE] [--hour-seconds N] [FAULT ...]`.
"""

import asyncio
from collections.abc import Collection
from random import Random
from typing import Final

from benchmarks.fault_hours import TICK_SECONDS, FastClock, HourReport, Trial, main, run_hour
from stockstream.settings import Watchlist
from stockstream.sources.coinbase import CoinbaseOptions, CoinbaseSource
from stockstream.sources.watchlist import WatchlistFollower
from tests.coinbase_standin import CoinbaseStandin, Fault

PRODUCTS: Final = ("BTC-USD", "ETH-USD", "SOL-USD")
_BEGIN_WITH_A_NEW_CONNECTION: Final = frozenset(
    {Fault.REFUSE, Fault.REST_500, Fault.REST_429, Fault.REST_HTML, Fault.REST_RESET}
)
_MIXED: Final = (Fault.ABORT, Fault.REST_500, Fault.SKIP, Fault.OLD_SEQUENCE)


def run(name: str, faults: Collection[str], hour_seconds: float) -> HourReport:
    """Run an hour of some faults."""
    fast = FastClock()

    def trial_of(standin: CoinbaseStandin) -> Trial:
        source = CoinbaseSource(
            WatchlistFollower(Watchlist(PRODUCTS)),
            CoinbaseOptions(interval_seconds=30),
            clock=fast.clock,
            rng=Random(1),
            url=standin.url,
            rest_url=standin.rest_url,
        )

        def order(names: Collection[str]) -> None:
            standin.faults = {Fault(name) for name in names}

        return Trial(source, source.connection, order)

    standin = CoinbaseStandin(PRODUCTS, now=lambda: fast.now().timestamp(), tick_seconds=TICK_SECONDS)
    gives_up = not _BEGIN_WITH_A_NEW_CONNECTION.isdisjoint(faults)
    return asyncio.run(
        run_hour(
            name, faults, hour_seconds,
            fast=fast, standin=standin, trial_of=trial_of, symbols=PRODUCTS, gives_up=gives_up,
        )
    )  # fmt: skip


if __name__ == "__main__":
    main(__doc__, list(Fault), _MIXED, run)
