"""Yahoo's two endpoints as async calls over a small fixed thread pool. Importing this does not import yfinance.

yfinance's HTTP is curl with thread-local handles, so the pool is fixed and small: four requests in flight are what the
facts about Yahoo's patience allow, and more threads would only hold more connections.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from stockstream.sources.yahoo._memory import settle_after_import, use_one_arena, without_unused
from stockstream.sources.yahoo.errors import NOT_FOUND_STATUS, YahooCallError
from stockstream.sources.yahoo.mapping import V7_FIELDS
from stockstream.sources.yahoo.reply import decode_json, v7_results

if TYPE_CHECKING:
    from stockstream.sources.yahoo._session import YahooSession

REQUESTS_IN_FLIGHT: Final = 4
REQUEST_TIMEOUT_SECONDS: Final = 10.0

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Reply:
    """A good reply.

    Attributes:
        value: v7: the list of results. Chart: the decoded body.
        http_requests: HTTP requests it took, those for cookie and crumb included.
    """

    value: Any
    http_requests: int


class QuoteApi(Protocol):
    """What the poller needs of Yahoo; `YahooClient` is the real one."""

    async def quotes(self, symbols: list[str]) -> Reply: ...
    async def chart(self, symbol: str) -> Reply: ...
    async def cure(self, strategy: str) -> None: ...
    async def aclose(self) -> None: ...


class YahooClient:
    """Calls Yahoo through yfinance's session.

    Args:
        cache_dir: Where yfinance keeps its cookie and time zone databases.
        timeout_seconds: Bound on each HTTP request.
        threads: Requests in flight at most.
    """

    def __init__(
        self,
        *,
        cache_dir: Path,
        timeout_seconds: float = REQUEST_TIMEOUT_SECONDS,
        threads: int = REQUESTS_IN_FLIGHT,
    ) -> None:
        self._cache_dir = cache_dir
        self._timeout_seconds = timeout_seconds
        use_one_arena()
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="yahoo")
        self._session: YahooSession | None = None
        self._opening = asyncio.Lock()
        self._closed = False
        self.in_flight = 0

    async def open(self) -> None:
        """Make the session ready, without a word to Yahoo; the import it takes is seconds on a busy machine."""
        await self._in_thread(lambda _: None)

    async def quotes(self, symbols: list[str]) -> Reply:
        """Ask v7 for up to 99 symbols; unknown ones are missing from the reply.

        Raises:
            YahooCallError: of any kind.
        """
        fields = ",".join(V7_FIELDS)
        return await self._call(lambda session: v7_results(decode_json(session.quotes(symbols, fields))))

    async def chart(self, symbol: str) -> Reply:
        """Ask for today's chart of one symbol; a symbol Yahoo has no chart for is a reply that says so.

        Raises:
            YahooCallError: of any kind.
        """
        return await self._call(lambda session: _chart_body(session, symbol))

    async def cure(self, strategy: str) -> None:
        """Drop cookie and crumb, so that the next call fetches both anew.

        Args:
            strategy: yfinance's cookie strategy for the next: `basic` or `csrf`.
        """
        await self._in_thread(lambda session: session.cure(strategy))

    async def aclose(self) -> None:
        """Close the session and let the threads go; a request under way ends by its own timeout. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._session is not None:
            self._session.close()

    async def _call(self, work: Callable[["YahooSession"], Any]) -> Reply:
        def counted(session: "YahooSession") -> Reply:
            value = work(session)
            return Reply(value, session.http.call_requests())

        return await self._in_thread(counted)

    async def _in_thread(self, work: Callable[["YahooSession"], _Result]) -> _Result:
        loop = asyncio.get_running_loop()
        self.in_flight += 1
        try:
            async with self._opening:
                if self._session is None:
                    self._session = await loop.run_in_executor(
                        self._pool, _open_session, self._cache_dir, self._timeout_seconds
                    )
            return await loop.run_in_executor(self._pool, work, self._session)
        finally:
            self.in_flight -= 1


def _open_session(cache_dir: Path, timeout_seconds: float) -> "YahooSession":
    # Here and not above: the import takes 0.5-0.8 s and 99 MB, which only a process that polls Yahoo should pay.
    with without_unused():
        from stockstream.sources.yahoo._session import YahooSession  # noqa: PLC0415

        session = YahooSession(cache_dir, timeout_seconds)
    settle_after_import()
    return session


def _chart_body(session: "YahooSession", symbol: str) -> object:
    try:
        return decode_json(session.chart(symbol))
    except YahooCallError as exc:
        if exc.status != NOT_FOUND_STATUS:
            raise
        return {"chart": {"result": None, "error": {"code": "Not Found", "description": exc.detail}}}
