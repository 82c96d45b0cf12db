"""The read API: quotes, latest, candles, alerts, health. Each endpoint reads through the library, and pages."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from stockstream.cost import AS_OF, Scenario, lines, month_so_far
from stockstream.dashboard.answers import json_answer, page_of, rows_answer
from stockstream.dashboard.board import Board
from stockstream.dashboard.history import StageHistory
from stockstream.dashboard.kept import Kept
from stockstream.dashboard.problems import ApiError
from stockstream.dashboard.query import Query, path_moment, path_symbol
from stockstream.reading import Market, Rows, StoredQuote
from stockstream.reading.sessions import rule_of, usual_opening
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
_SIGNALS_SECONDS: Final = 15.0
# Each may be of ten thousand windows.
_SIGNALS_KEPT: Final = 50
# Each reads objects of the archive, some ten of them.
_RECORDS_AT_ONCE: Final = 4
_SEVERITIES: Final = ("", "info", "warning", "critical")


@dataclass
class Api:
    """The endpoints.

    Attributes:
        market: What is read.
        board: The market as it is now.
        pipeline: What the process that serves the page knows of its own stages; none beside a deployment.
        poll_interval_seconds: As the deployment's service polls, for the cost model.
        history: Rates of the stages, of the last hour.
    """

    market: Market
    board: Board
    pipeline: Callable[[], Mapping[str, Any]] | None = None
    poll_interval_seconds: float = 30.0
    history: StageHistory = field(default_factory=StageHistory)
    _signals: Kept = field(default_factory=lambda: Kept(_SIGNALS_SECONDS, _SIGNALS_KEPT))
    _sparklines: Kept = field(default_factory=lambda: Kept(_SPARKLINE_SECONDS))
    _alerts: Kept = field(default_factory=lambda: Kept(_ALERTS_SECONDS))
    _health: Kept = field(default_factory=lambda: Kept(_HEALTH_SECONDS))
    _workers: Kept = field(default_factory=lambda: Kept(_HEALTH_SECONDS))
    _record_reads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_RECORDS_AT_ONCE))

    async def latest(self, request: Request) -> Response:
        symbols = Query(request, "symbols").symbols()
        await self._loaded()
        rows = self.board.newest()
        if symbols is not None:
            wanted = set(symbols)
            rows = Rows(row for row in rows if row.symbol in wanted)
        place = self.board.place
        return rows_answer(request, rows, place=str(place) if place is not None else None, zones=_zones(rows))

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
        await self._loaded()
        start, end, session = query.moment("start"), query.moment("end"), query.session()
        if session is None:
            start, end = self._span(symbol, interval, start, end)
        found = await self.market.candles(symbol, interval, start, end, session=session)
        if not found:
            self._check_known(symbol)
        exchange = self.board.rows[symbol].exchange if symbol in self.board.rows else None
        rule = rule_of(symbol, exchange)
        return rows_answer(request, found, zone=rule.zone, usually_opens=usual_opening(datetime.now(UTC), rule))

    async def signals(self, request: Request) -> Response:
        """What the stored quotes say beside the candles of the same range."""
        symbol = path_symbol(request)
        query = Query(request, "interval", "start", "end")
        interval = query.one_of("interval", INTERVALS, "1m")
        await self._loaded()
        asked = (query.moment("start"), query.moment("end"))
        start, end = self._span(symbol, interval, *asked)
        key = (symbol, interval, *asked)
        found = await self._signals.get(key, lambda: self.market.signals(symbol, interval, start, end))
        if not found:
            self._check_known(symbol)
        return rows_answer(request, found)

    async def record(self, request: Request) -> Response:
        """One quote as the stores have it."""
        symbol, timestamp = path_symbol(request), path_moment(request)
        Query(request)
        async with self._record_reads:
            found = await self.market.record(symbol, timestamp)
        if found is None:
            raise ApiError(404, f"{symbol}: no quote of {format_timestamp(timestamp)} is stored")
        return json_answer(request, found)

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
        """What the rows of a watchlist show of many symbols at once beside the newest quotes, from the tables."""
        symbols = Query(request, "symbols").symbols() or []
        if len(symbols) > _SPARKLINE_SYMBOLS_MAX:
            raise ApiError(400, f"symbols: {len(symbols)}: must be at most {_SPARKLINE_SYMBOLS_MAX}")
        rows = [self.board.rows[symbol] for symbol in symbols if symbol in self.board.rows]

        def of(row: StoredQuote) -> Awaitable[tuple[list[Any], StoredQuote]]:
            return self._sparklines.get(row.symbol, lambda: self._spark(row))

        found = dict(zip([row.symbol for row in rows], await asyncio.gather(*map(of, rows)), strict=True))
        ratios = {symbol: stored.indicators.get("volume_ratio") for symbol, (_, stored) in found.items()}
        splits = {symbol: stored.split_suspected for symbol, (_, stored) in found.items()}
        content = {
            "items": {symbol: closes for symbol, (closes, _) in found.items()},
            "volume_ratios": {symbol: ratio for symbol, ratio in ratios.items() if ratio is not None},
            "splits": {symbol: split for symbol, split in splits.items() if split is not None},
        }
        return json_answer(request, content)

    async def health(self, request: Request) -> Response:
        Query(request)
        stored = await self._health.get(None, self.market.health)
        pipeline = self.pipeline() if self.pipeline is not None else None
        now = datetime.now(UTC)
        content = {"now": now, "board": self.board.status(), "stored": stored, "pipeline": pipeline}
        content |= {"cost": self._cost(now), "history": self.history.rates()}
        workers = await self._workers.get(None, self.market.workers)
        content["workers"] = [{**asdict(row), "silent_after_seconds": row.silent_after_seconds} for row in workers]
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

    async def _spark(self, row: StoredQuote) -> tuple[list[Any], StoredQuote]:
        """Closes of the newest session's five-minute candles, and the newest quote with its indicators."""
        closes, newest = await asyncio.gather(self._closes(row), self.market.latest(row.symbol))
        return closes, newest[0] if newest else row

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

    async def _loaded(self) -> None:
        """Wait for the board: what it does not know is not stored."""
        try:
            async with asyncio.timeout(_LOAD_SECONDS):
                await self.board.loaded.wait()
        except TimeoutError as exc:
            raise ApiError(503, self.board.error or "the newest quotes are still being read") from exc

    def _span(
        self, symbol: str, interval: str, start: datetime | None, end: datetime | None
    ) -> tuple[datetime, datetime]:
        """The range asked for, or what is usual up to the newest quote; bounded."""
        try:
            if end is None:
                newest = self.board.rows.get(symbol)
                last = newest.timestamp if newest is not None else datetime.now(UTC)
                end = max(last, start or last) + _ONE_DAY
            if start is None:
                start = end - _SPAN_DEFAULT[interval] - _ONE_DAY
        except OverflowError as exc:
            raise ApiError(400, "start and end must lie some years within the years 1 to 9999") from exc
        if end - start > _SPAN_MAX[interval] + _ONE_DAY:
            raise ApiError(
                400, f"{end - start} of {interval} candles: must be at most {_SPAN_MAX[interval].days} days in one call"
            )
        return start, end

    def _check_known(self, symbol: str) -> None:
        if symbol not in self.board.rows:
            raise ApiError(404, f"{symbol}: no quote of it has been stored")


def stage_counts(api: Api) -> Mapping[str, int]:
    """What each stage that is shown has done so far."""
    stages = api.pipeline()["stages"] if api.pipeline is not None else ()
    return {stage["name"]: stage["count"] for stage in stages} | {"Log": api.board.taken}


def _zones(rows: Rows[StoredQuote]) -> Mapping[str, str]:
    """The time zone of each exchange, and of each symbol whose exchange is not known."""
    zones: dict[str, str] = {}
    for row in rows:
        name = row.exchange or row.symbol
        if name not in zones:
            zones[name] = rule_of(row.symbol, row.exchange).zone
    return zones


def _range(start: datetime | None, end: datetime | None) -> dict[str, str]:
    return {name: format_timestamp(moment) for name, moment in (("start", start), ("end", end)) if moment is not None}
