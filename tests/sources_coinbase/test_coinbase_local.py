"""Coins through the whole pipeline on this machine: the stand-in, Kinesis, the handler, tables, archive."""

import asyncio
import json
import os
import time
from pathlib import Path

import pytest
import structlog

from stockstream.clock import Clock
from stockstream.local.app import run_local
from stockstream.local.options import LocalOptions
from stockstream.settings import Settings, load_settings
from stockstream.sources import coinbase
from stockstream.sources.coinbase import CoinbaseOptions, CoinbaseSource
from stockstream.sources.watchlist import WatchlistFollower
from tests.coinbase_standin import CoinbaseStandin
from tests.local.local_command import free_port
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.emulator


async def test_coins_are_stored_each_once_with_their_session_and_their_rolling_volume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOCKSTREAM_DASHBOARD_PORT", "0")
    for name in ("NO_PROXY", "no_proxy"):  # which local mode adds to
        monkeypatch.setenv(name, os.environ.get(name, ""))
    settings = load_settings({"source": "coinbase", "symbols": "BTC-USD,ETH-USD"})
    summary_path = tmp_path / "summary.json"
    options = LocalOptions(
        state_dir=tmp_path / "state", plain=True, for_seconds=8, endpoint_port=free_port(), summary_path=summary_path
    )
    async with CoinbaseStandin(("BTC-USD", "ETH-USD"), now=time.time) as standin:

        def source(settings: Settings, clock: Clock) -> CoinbaseSource:
            follower = WatchlistFollower(settings.symbols)
            options = CoinbaseOptions(interval_seconds=0.5)
            return CoinbaseSource(follower, options, clock=clock, url=standin.url, rest_url=standin.rest_url)

        monkeypatch.setattr(coinbase, "coinbase_source", source)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                code = await run_local(settings, options)
        finally:
            structlog.reset_defaults()

    summary = json.loads(summary_path.read_text())
    assert (code, summary["error"]) == (0, None)
    assert summary["accepted"] == summary["stored"] == summary["archived"] >= 4
    assert (summary["lost"], summary["doubled"], summary["quarantined"], summary["rejected"]) == (0, 0, 0, 0)
    assert (summary["source"], summary["is_market_data"]) == ("coinbase", True)
