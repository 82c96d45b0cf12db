"""The read API: quotes, latest, candles, alerts, health. Each endpoint reads through the library, and pages."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from stockstream.cost import AS_OF, Scenario, lines, month_so_far
from stockstream.dashboard.answers import json_answer, page_of, rows_answer
from stockstream.dashboard.board import Board
from stockstream.dashboard.problems import ApiError
from stockstream.dashboard.query import Query, path_symbol
from stockstream.reading import Market, Rows, StoredQuote
from stockstream.reading.sessions import rule_of
from stockstream_wire import format_timestamp
from stockstream_wire.storage import INTERVALS

# The longest range of one answer, by interval: ten thousand candles or so of a market that never closes.
_SPAN_MAX: Final = {
    "1m": timedelta(days=7),
    "5m": timedelta(days=35),
    "1h": timedelta(days=416),
    "1d": timedelta(days=36_500),
}
# What is given where no range is asked for.
_SPAN_DEFAULT: Final = {
    "1m": timedelta(days=1),
    "5m": timedelta(days=5),
    "1h": timedelta(days=60),
    "1d": timedelta(days=730),
}
_MILLISECOND: Final = timedelta(milliseconds=1)
_ONE_DAY: Final = timedelta(days=1)
_SPARKLINE_SYMBOLS_MAX: Final = 100
_SPARKLINE_SECONDS: Final = 30.0
_ALERTS_SECONDS: Final = 2.0
_LOAD_SECONDS: Final = 60.0
_HEALTH_SECONDS: Final = 2.0
_SEVERITIES: Final = ("", "info", "warning", "critical")


@dataclass
class Kept:
    """An answer that several ask for at once, kept for some seconds."""

    seconds: float
    _made: dict[Any, tuple[float, Any]] = field(default_factory=dict)
    _locks: dict[Any, asyncio.Lock] = field(default_factory=dict)

    async def get(self, key: Any, make: Callable[[], Awaitable[Any]]) -> Any:
        async with self._locks.setdefault(key, asyncio.Lock()):
            now = asyncio.get_running_loop().time()
            found = self._made.get(key)
            if found is None or now - found[0] > self.seconds:
                self._forget(now)
                found = self._made[key] = (now, await make())
            return found[1]

    def _forget(self, now: float) -> None:
        for key in [key for key, (at, _) in self._made.items() if now - at > self.seconds]:
            del self._made[key]
            if not self._locks[key].locked():
                del self._locks[key]


@dataclass
class Api:
    """The endpoints.

    Attributes:
        market: What is read.
        board: The market as it is now.
        pipeline: What the process that serves the page knows of its own stages; none beside a deployment.
        poll_interval_seconds: As the deployment's service polls, for the cost model.
    """

    market: Market
    board: Board
    pipeline: Callable[[], Mapping[str, Any]] | None = None
    poll_interval_seconds: float = 30.0
    _sparklines: Kept = field(default_factory=lambda: Kept(_SPARKLINE_SECONDS))
    _alerts: Kept = field(default_factory=lambda: Kept(_ALERTS_SECONDS))
    _health: Kept = field(default_factory=lambda: Kept(_HEALTH_SECONDS))
    _workers: Kept = field(default_factory=lambda: Kept(_HEALTH_SECONDS))

    async def latest(self, request: Request) -> Response:
        symbols = Query(request, "symbols").symbols()
        try:
            async with asyncio.timeout(_LOAD_SECONDS):
                await self.board.loaded.wait()
        except TimeoutError as exc:
            raise ApiError(503, self.board.error or "the newest quotes are still being read") from exc
        rows = self.board.newest()
        if symbols is not None:
            wanted = set(symbols)
            rows = Rows(row for row in rows if row.symbol in wanted)
        place = self.board.place
        return rows_answer(request, rows, place=str(place) if place is not None else None)

    async def quotes(self, request: Request) -> Response:
        symbol = path_symbol(request)
        query = Query(request, "start", "end", "session", "limit", "order")
        limit, order = query.limit(), query.one_of("order", ("oldest", "newest"), "oldest")
        start, end, session = query.moment("start"), query.moment("end"), query.session()
        found = await self.market.quotes(
            symbol, start, end, session=session, limit=limit + 1, newest_first=order == "newest"
        )
        rows, is_more = page_of(found, limit)
        if not rows:
            self._check_known(symbol)
        following = None
        if is_more:
            following = {"limit": str(limit), "order": order}
            last = rows[-1].timestamp
            if session is not None:
                raise ApiError(400, f"session={session}: it has over {limit} quotes. Remedy: limit=10000, or start/end")
            if order == "newest":
                following |= _range(start, last)
            else:
                following |= _range(last + _MILLISECOND, end)
        return rows_answer(request, rows, next_query=following)

    async def candles(self, request: Request) -> Response:
        symbol = path_symbol(request)
        query = Query(request, "interval", "start", "end", "session")
        interval = query.one_of("interval", INTERVALS, "1m")
        start, end, session = query.moment("start"), query.moment("end"), query.session()
        if session is None:
            start, end = self._span(symbol, interval, start, end)
        found = await self.market.candles(symbol, interval, start, end, session=session)
        if not found:
            self._check_known(symbol)
        exchange = self.board.rows[symbol].exchange if symbol in self.board.rows else None
        return rows_answer(request, found, zone=rule_of(symbol, exchange).zone)

    async def alerts(self, request: Request) -> Response:
        query = Query(request, "symbols", "start", "end", "session", "severity", "kind", "limit")
        symbols, session, limit = query.symbols(), query.session(), query.limit()
        start, end = query.moment("start"), query.moment("end")
        severity, kind = query.one_of("severity", _SEVERITIES, ""), query.text("kind")
        key = (tuple(symbols) if symbols is not None else None, start, end, session)
        found = await self._alerts.get(key, lambda: self.market.alerts(symbols, start, end, session=session))
        chosen = [row for row in found if severity in {"", row.severity} and kind in {None, row.kind}]
        rows, is_more = page_of(chosen, limit)
        following = None
        if is_more and session is None:
            # Alerts of the last one's moment come again on the next page: never one left out.
            following = {"limit": str(limit), "severity": severity, **({"kind": kind} if kind else {})}
            following |= {"symbols": ",".join(symbols)} if symbols else {}
            following |= _range(start, rows[-1].timestamp + _MILLISECOND)
        return rows_answer(request, rows, next_query=following)

    async def sparklines(self, request: Request) -> Response:
        """Closes of the newest session's five-minute candles, for small pictures of many symbols at once."""
        symbols = Query(request, "symbols").symbols() or []
        if len(symbols) > _SPARKLINE_SYMBOLS_MAX:
            raise ApiError(400, f"symbols: {len(symbols)}: must be at most {_SPARKLINE_SYMBOLS_MAX}")
        rows = [self.board.rows[symbol] for symbol in symbols if symbol in self.board.rows]

        def closes_of(row: StoredQuote) -> Awaitable[list[Any]]:
            return self._sparklines.get(row.symbol, lambda: self._closes(row))

        closes = await asyncio.gather(*(closes_of(row) for row in rows))
        return json_answer(request, {"items": dict(zip([row.symbol for row in rows], closes, strict=True))})

    async def health(self, request: Request) -> Response:
        Query(request)
        stored = await self._health.get(None, self.market.health)
        pipeline = self.pipeline() if self.pipeline is not None else None
        now = datetime.now(UTC)
        content = {"now": now, "board": self.board.status(), "stored": stored, "pipeline": pipeline}
        content["cost"] = self._cost(now)
        content["workers"] = await self._workers.get(None, self.market.workers)
        return json_answer(request, content)

    def _cost(self, now: datetime) -> Mapping[str, Any]:
        """What the month comes to on AWS, and so far, by the cost model: of the symbols that there are."""
        month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        following = (month + timedelta(days=32)).replace(day=1)
        case = Scenario("", max(1, len(self.board.rows)), self.poll_interval_seconds)
        so_far = month_so_far(case, (now - month) / (following - month))
        return {
            "month_usd": round(sum(lines(case).values()), 2),
            "so_far_usd": round(sum(so_far.values()), 2),
            "so_far_by_service": {name: round(dollars, 2) for name, dollars in so_far.items() if dollars >= 0.005},
            "prices_of": AS_OF,
        }

    async def _closes(self, row: StoredQuote) -> list[Any]:
        end = row.timestamp + _MILLISECOND
        candles = await self.market.candles(row.symbol, "5m", end - _ONE_DAY, end)
        # One session: what lies before the newest pause of hours is another.
        closes: list[Any] = []
        previous = None
        for candle in candles:
            if previous is not None and candle.start - previous > timedelta(hours=3):
                closes = []
            closes.append(candle.close)
            previous = candle.start
        return closes

    def _span(
        self, symbol: str, interval: str, start: datetime | None, end: datetime | None
    ) -> tuple[datetime, datetime]:
        """The range asked for, or what is usual up to the newest quote; bounded."""
        if end is None:
            newest = self.board.rows.get(symbol)
            last = newest.timestamp if newest is not None else datetime.now(UTC)
            end = max(last, start or last) + _ONE_DAY
        if start is None:
            start = end - _SPAN_DEFAULT[interval] - _ONE_DAY
        if end - start > _SPAN_MAX[interval] + _ONE_DAY:
            raise ApiError(
                400, f"{end - start} of {interval} candles: must be at most {_SPAN_MAX[interval].days} days in one call"
            )
        return start, end

    def _check_known(self, symbol: str) -> None:
        if symbol not in self.board.rows:
            raise ApiError(404, f"{symbol}: no quote of it has been stored")


def _range(start: datetime | None, end: datetime | None) -> dict[str, str]:
    return {name: format_timestamp(moment) for name, moment in (("start", start), ("end", end)) if moment is not None}
