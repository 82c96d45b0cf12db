"""A stand-in Yahoo for each test that asks for one, and a yfinance that remembers nothing of the test before."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from stockstream.sources.yahoo.client import YahooClient
from tests.patience import PATIENCE_SECONDS
from tests.sources_yahoo.virtual_clock import VirtualClock
from tests.yahoo_standin import ScriptedMarket, YahooStandin
from tests.yahoo_standin.client_state import reset_yfinance


@pytest.fixture
def virtual() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def market(virtual: VirtualClock) -> ScriptedMarket:
    return ScriptedMarket(now=lambda: virtual.epoch_seconds)


@pytest.fixture
async def standin(
    market: ScriptedMarket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[YahooStandin]:
    async with YahooStandin(market, tmp_path) as yahoo:
        for name, value in yahoo.environment.items():
            monkeypatch.setenv(name, value)
        yield yahoo


@pytest.fixture
def fresh_yfinance() -> Iterator[None]:
    reset_yfinance()
    yield
    reset_yfinance()


@pytest.fixture
async def client(
    standin: YahooStandin, fresh_yfinance: None, virtual: VirtualClock, tmp_path: Path
) -> AsyncIterator[YahooClient]:
    yahoo = YahooClient(cache_dir=tmp_path / "cache", timeout_seconds=PATIENCE_SECONDS)
    virtual.busy = lambda: yahoo.in_flight > 0
    yield yahoo
    await yahoo.aclose()
