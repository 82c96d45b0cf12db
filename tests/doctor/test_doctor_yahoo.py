"""What the doctor and `auto` hear of Yahoo."""

import os
from pathlib import Path

import pytest

from stockstream.doctor import Status
from stockstream.doctor.local import check_source
from stockstream.settings import Settings
from stockstream.sources.yahoo import probe_source
from tests.patience import PATIENCE_SECONDS
from tests.yahoo_standin import Fault, ScriptedMarket, YahooStandin
from tests.yahoo_standin.client_state import reset_yfinance


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    reset_yfinance()
    monkeypatch.setenv("STOCKSTREAM_SOURCE", "yahoo")
    monkeypatch.setenv("STOCKSTREAM_CACHE_DIR", str(tmp_path / "cache"))
    return Settings()


async def test_a_yahoo_that_answers_is_ok(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with YahooStandin(ScriptedMarket(), tmp_path) as standin:
        for name, value in standin.environment.items():
            monkeypatch.setenv(name, value)

        finding = await check_source(settings, timeout_seconds=PATIENCE_SECONDS)

        assert finding.status is Status.OK, finding
        assert (await probe_source(settings, PATIENCE_SECONDS)).reachable


async def test_a_kept_cookie_that_yahoo_takes_no_more_is_no_reason_to_simulate(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with YahooStandin(ScriptedMarket(), tmp_path) as standin:
        for name, value in standin.environment.items():
            monkeypatch.setenv(name, value)
        assert (await probe_source(settings, PATIENCE_SECONDS)).reachable
        reset_yfinance()  # the next process has but the file
        standin.faults.order(Fault.FORGET_COOKIES, times=1)

        result = await probe_source(settings, PATIENCE_SECONDS)

        assert Fault.FORGET_COOKIES.value not in standin.faults.in_force()
        assert result.reachable, result.detail


@pytest.mark.parametrize("fault", [Fault.RATE_LIMIT, Fault.UNAUTHORIZED, Fault.SERVER_ERROR, Fault.HTML, Fault.HANG])
async def test_a_yahoo_that_refuses_is_a_problem_with_a_reason_in_time(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    async with YahooStandin(ScriptedMarket(), tmp_path) as standin:
        for name, value in standin.environment.items():
            monkeypatch.setenv(name, value)
        standin.faults.order(fault)

        # What hangs is given up soon; what answers has its time, however busy the machine.
        timeout_seconds = 3 if fault is Fault.HANG else PATIENCE_SECONDS
        finding = await check_source(settings, timeout_seconds=timeout_seconds)

        assert finding.status is Status.PROBLEM
        assert finding.detail
        assert finding.remedy
        if fault is Fault.RATE_LIMIT:
            assert "limits this address" in finding.remedy


async def test_a_network_without_yahoo_is_told_with_its_reason(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    result = await probe_source(settings, PATIENCE_SECONDS)

    assert not result.reachable
    assert "unreachable" in result.detail
