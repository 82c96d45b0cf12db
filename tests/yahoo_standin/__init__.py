"""A stand-in Yahoo: a CONNECT proxy that is `*.yahoo.com` itself, so that the real yfinance runs unmodified.

`python -m tests.yahoo_standin --recorded DIR --port N` serves recorded replies; tests run it in their own process or
loop, script its market, and order faults.
"""

from tests.yahoo_standin.faults import Fault, FaultPlan
from tests.yahoo_standin.market import Market, RecordedMarket, ScriptedMarket
from tests.yahoo_standin.server import YahooStandin

__all__ = ["Fault", "FaultPlan", "Market", "RecordedMarket", "ScriptedMarket", "YahooStandin"]
