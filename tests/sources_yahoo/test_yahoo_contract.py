"""What our session takes for granted of yfinance 1.7.0, private names included; a breaking upgrade fails here."""

import asyncio
import importlib.metadata
import inspect
from pathlib import Path

import pytest

from stockstream.sources.yahoo.client import YahooClient
from stockstream.sources.yahoo.errors import FailureKind, YahooCallError
from tests.patience import PATIENCE_SECONDS
from tests.yahoo_standin import Fault, YahooStandin
from tests.yahoo_standin.client_state import reset_yfinance


async def refused(client: YahooClient) -> YahooCallError:
    with pytest.raises(YahooCallError) as caught:
        await client.quotes(["AAPL"])
    return caught.value


def test_yfinance_is_the_pinned_version() -> None:
    assert importlib.metadata.version("yfinance") == "1.7.0"


def test_the_private_names_of_the_cure_are_where_they_were() -> None:
    from yfinance import cache
    from yfinance.data import YfData

    source = inspect.getsource(YfData)
    for name in ("_cookie_lock", "_cookie = None", "_crumb = None", "_cookie_strategy", "'basic'", "'csrf'"):
        assert name in source, name
    assert "get_cookie_cache().store('curlCffi', yh_cookie)" in source
    assert "with self._cookie_lock:" in inspect.getsource(YfData._get_cookie_and_crumb)
    assert hasattr(cache, "_CookieCacheManager")
    assert hasattr(cache, "_CookieCacheDummy")
    assert hasattr(cache._CookieDBManager, "_db")


async def test_a_first_quote_is_a_cookie_a_crumb_and_a_quote(client: YahooClient, standin: YahooStandin) -> None:
    reply = await client.quotes(["AAPL", "MSFT"])

    assert [result["symbol"] for result in reply.value] == ["AAPL", "MSFT"]
    assert [path for _, path, _ in standin.yahoo.requests] == ["/", "/v1/test/getcrumb", "/v7/finance/quote"]
    assert reply.http_requests == 3


async def test_a_second_quote_is_one_request(client: YahooClient, standin: YahooStandin) -> None:
    await client.quotes(["AAPL"])

    reply = await client.quotes(["AAPL"])

    assert reply.http_requests == 1
    assert standin.yahoo.count("/v7/") == 2


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.RATE_LIMIT, FailureKind.RATE_LIMITED),
        (Fault.UNAUTHORIZED, FailureKind.UNAUTHORIZED),
        (Fault.SERVER_ERROR, FailureKind.SERVER),
        (Fault.BAD_GATEWAY, FailureKind.SERVER),
        (Fault.HTML, FailureKind.MALFORMED),
        (Fault.TRUNCATED, FailureKind.MALFORMED),
    ],
)
async def test_a_refusal_is_one_request_and_not_the_three_of_yfinance(
    client: YahooClient, standin: YahooStandin, fault: Fault, kind: FailureKind
) -> None:
    await client.quotes(["AAPL"])
    before = len(standin.yahoo.requests)
    standin.faults.order(fault)

    error = await refused(client)

    assert error.kind is kind
    assert len(standin.yahoo.requests) - before == error.http_requests == 1


async def test_a_reset_is_unreachable(client: YahooClient, standin: YahooStandin) -> None:
    await client.quotes(["AAPL"])
    before = standin.yahoo.count("/v7/")
    standin.faults.order(Fault.RESET)

    error = await refused(client)

    assert error.kind is FailureKind.UNREACHABLE
    # curl itself sends once more where a connection it had kept open turns out dead.
    assert standin.yahoo.count("/v7/") - before <= 2


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.DRIP])
async def test_a_reply_that_does_not_end_is_given_up_in_time(
    standin: YahooStandin, fresh_yfinance: None, tmp_path: Path, fault: Fault
) -> None:
    client = YahooClient(cache_dir=tmp_path / "cache", timeout_seconds=0.3)
    try:
        await client.quotes(["AAPL"])
        standin.faults.order(fault)

        async with asyncio.timeout(PATIENCE_SECONDS):
            error = await refused(client)
    finally:
        await client.aclose()

    assert error.kind is FailureKind.UNREACHABLE


@pytest.mark.parametrize("fault", [Fault.CRUMB_RATE_LIMIT, Fault.CRUMB_UNAUTHORIZED])
async def test_a_refused_crumb_is_never_remembered_as_the_crumb(
    client: YahooClient, standin: YahooStandin, fault: Fault
) -> None:
    standin.faults.order(fault, times=1)
    error = await refused(client)
    assert error.kind in {FailureKind.RATE_LIMITED, FailureKind.UNAUTHORIZED}

    reply = await client.quotes(["AAPL"])

    assert len(reply.value) == 1


async def test_a_cookie_that_yahoo_has_dropped_is_refused_for_ever_until_the_cure(
    client: YahooClient, standin: YahooStandin
) -> None:
    await client.quotes(["AAPL"])
    standin.yahoo.forget_cookies()
    assert (await refused(client)).kind is FailureKind.UNAUTHORIZED
    assert (await refused(client)).kind is FailureKind.UNAUTHORIZED

    await client.cure("basic")

    assert len((await client.quotes(["AAPL"])).value) == 1


async def test_the_cure_also_drops_the_cookie_kept_on_disk(
    client: YahooClient, standin: YahooStandin, tmp_path: Path
) -> None:
    await client.quotes(["AAPL"])
    standin.yahoo.forget_cookies()
    await client.cure("basic")
    reset_yfinance()  # a new process, which would load a cookie left on disk
    later = YahooClient(cache_dir=tmp_path / "cache", timeout_seconds=PATIENCE_SECONDS)
    try:
        reply = await later.quotes(["AAPL"])
    finally:
        await later.aclose()

    assert reply.http_requests == 3


async def test_a_good_cookie_outlives_the_process(client: YahooClient, standin: YahooStandin, tmp_path: Path) -> None:
    await client.quotes(["AAPL"])
    reset_yfinance()
    later = YahooClient(cache_dir=tmp_path / "cache", timeout_seconds=PATIENCE_SECONDS)
    try:
        reply = await later.quotes(["AAPL"])
    finally:
        await later.aclose()

    assert reply.http_requests == 2  # crumb and quote


async def test_a_corrupt_cookie_database_is_cured_too(
    standin: YahooStandin, fresh_yfinance: None, tmp_path: Path
) -> None:
    cache_dir = tmp_path / "cache"
    cache_dir.mkdir()
    (cache_dir / "cookies.db").write_bytes(b"not a database" * 1000)
    client = YahooClient(cache_dir=cache_dir, timeout_seconds=PATIENCE_SECONDS)
    try:
        assert (await refused(client)).kind is FailureKind.UNAUTHORIZED
        await client.cure("basic")
        reply = await client.quotes(["AAPL"])
    finally:
        await client.aclose()

    assert len(reply.value) == 1


async def test_a_chart_needs_neither_cookie_nor_crumb(client: YahooClient, standin: YahooStandin) -> None:
    standin.faults.order(Fault.CRUMB_UNAUTHORIZED)

    reply = await client.chart("GC=F")

    assert reply.value["chart"]["result"][0]["meta"]["symbol"] == "GC=F"
    assert [path for _, path, _ in standin.yahoo.requests] == ["/v8/finance/chart/GC=F"]


async def test_a_symbol_without_a_chart_is_an_answer_that_says_so(client: YahooClient, standin: YahooStandin) -> None:
    standin.market.chartless.add("GONE")  # type: ignore[attr-defined]

    reply = await client.chart("GONE")

    assert reply.value["chart"]["result"] is None


async def test_a_hundred_symbols_in_one_request_are_refused(client: YahooClient) -> None:
    with pytest.raises(YahooCallError) as caught:
        await client.quotes([f"S{number}" for number in range(100)])

    assert caught.value.kind is FailureKind.BAD_REQUEST
