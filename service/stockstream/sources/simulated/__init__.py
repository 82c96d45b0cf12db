"""A seeded market that looks like one, and says everywhere that it is none."""

from stockstream.sources.simulated._movers import MoverPlan
from stockstream.sources.simulated._parameters import DEMO_WATCHLIST
from stockstream.sources.simulated._source import SimulatedSource

__all__ = ["DEMO_WATCHLIST", "MoverPlan", "SimulatedSource"]
