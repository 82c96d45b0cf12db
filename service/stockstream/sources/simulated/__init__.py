"""A seeded market that looks like one, and says everywhere that it is none."""

from stockstream.clock import Clock
from stockstream.settings import Settings
from stockstream.sources.simulated._movers import MoverPlan
from stockstream.sources.simulated._source import SimulatedSource
from stockstream.sources.watchlist import WatchlistFollower

__all__ = ["MoverPlan", "SimulatedSource", "simulated_source"]


def simulated_source(settings: Settings, clock: Clock) -> SimulatedSource:
    """Make the simulated market that the settings describe."""
    return SimulatedSource(
        WatchlistFollower(settings.symbols),
        seed=settings.simulated_seed,
        interval_seconds=settings.poll_interval_seconds,
        clock=clock,
    )
