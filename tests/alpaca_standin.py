"""An Alpaca on this machine: snapshots and bars by HTTP, trades by WebSocket, with keys, limits, faults on demand."""

import asyncio
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Self
from zoneinfo import ZoneInfo

from aiohttp import WSMsgType, web

KEY_ID, SECRET_KEY = "PKTESTKEY0001", "testsecret/0123456789+abcdef"
NEW_YORK = ZoneInfo("America/New_York")
PAGE_BARS = 100


class Fault(StrEnum):
    SILENT = "silent"  # connected, admitted, subscribed, pings answered, and not a message more; snapshots have trades
    TRADES_MUTE = "trades-mute"  # the same, with daily bars that go on
    NO_WELCOME = "no-welcome"  # connected, and not a word
    CLOSE_1000 = "close-1000"
    CLOSE_1001 = "close-1001"
    ABORT = "abort"
    REFUSE = "refuse"  # 503 in place of the upgrade
    GARBAGE = "garbage"
    AUTH_FAILED = "auth-failed"  # 402
    CONNECTION_LIMIT = "connection-limit"  # 406
    SLOW_CLIENT = "slow-client"  # 407, then closed
    LARGE_FRAMES = "large-frames"  # a thousand trades at once
    ODD_LOTS = "odd-lots"  # every trade is one that moves no last price
    OLD_TRADES = "old-trades"  # every trade once more, of an hour ago and at a price of 1
    REST_500 = "rest-500"
    REST_429 = "rest-429"  # with the time at which the limit is lifted
    REST_401 = "rest-401"
    REST_403_FEED = "rest-403-feed"
    REST_HTML = "rest-html"
    REST_RESET = "rest-reset"
    REST_EMPTY = "rest-empty"


ERRORS = {
    Fault.AUTH_FAILED: (402, "auth failed"),
    Fault.CONNECTION_LIMIT: (406, "connection limit exceeded"),
    Fault.SLOW_CLIENT: (407, "slow client"),
}
_GARBAGE = ("no json", '[{"T":"t"}]', '[{"T":"t","S":"AAPL","p":"x","t":"y"}]', "{}", "[1]")


class AlpacaStandin:
    """Shares that trade once a `tick_seconds` of the clock given.

    Args:
        symbols: What it has, in Alpaca's spelling.
        now: The market's clock, epoch seconds.
        tick_seconds: Real seconds between rounds of messages.
    """

    def __init__(self, symbols: tuple[str, ...], *, now: Callable[[], float], tick_seconds: float = 0.02) -> None:
        self.symbols = symbols
        self.now = now
        self.tick_seconds = tick_seconds
        self.faults: set[Fault] = set()
        self.is_trading = True
        self.symbol_limit = 30
        self.reset_after_seconds = 1.0
        self.connections_total = 0
        self.logins: list[tuple[str, str]] = []
        self.snapshots_asked: list[set[str]] = []
        self.asked_at: list[float] = []
        self.resets_told: list[int] = []
        self.bars_asked: list[dict[str, str]] = []
        self.subscriptions: list[set[str]] = []
        self._rng = random.Random(1)
        self._prices = {symbol: 100.0 * (number + 1) for number, symbol in enumerate(symbols)}
        self._volumes = dict.fromkeys(symbols, 1_000_000)
        self._last = {symbol: self.trade(symbol) for symbol in symbols}
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def feed_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v2/iex"

    @property
    def requests(self) -> int:
        return len(self.snapshots_asked)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/v2/iex", self._feed)
        app.router.add_get("/v2/stocks/snapshots", self._snapshots)
        app.router.add_get("/v2/stocks/bars", self._bars)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ticking.cancel()
        await asyncio.gather(self._ticking, return_exceptions=True)
        assert self._runner is not None
        await self._runner.cleanup()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self.tick_seconds)
            for symbol in self.symbols if self.is_trading else ():
                self._last[symbol] = self.trade(symbol)

    # --- HTTP -------------------------------------------------------------------------------------------------------

    def _refusal(self, request: web.Request) -> web.StreamResponse | None:
        given = request.headers.get("APCA-API-KEY-ID"), request.headers.get("APCA-API-SECRET-KEY")
        if Fault.REST_401 in self.faults or given != (KEY_ID, SECRET_KEY):
            return web.json_response({"message": "unauthorized."}, status=401)
        if Fault.REST_403_FEED in self.faults:
            message = "subscription does not permit querying recent SIP data"
            return web.json_response({"message": message}, status=403)
        if Fault.REST_500 in self.faults:
            return web.json_response({"message": "internal server error"}, status=500)
        if Fault.REST_429 in self.faults:
            headers = {"X-RateLimit-Limit": "200", "X-RateLimit-Remaining": "0"}
            self.resets_told.append(int(self.now() + self.reset_after_seconds))
            headers["X-RateLimit-Reset"] = str(self.resets_told[-1])
            return web.json_response({"message": "too many requests."}, status=429, headers=headers)
        if Fault.REST_HTML in self.faults:
            return web.Response(text="<html>maintenance</html>", content_type="text/html")
        if Fault.REST_RESET in self.faults:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return None

    async def _snapshots(self, request: web.Request) -> web.StreamResponse:
        wanted = request.query["symbols"].split(",")
        self.snapshots_asked.append(set(wanted))
        self.asked_at.append(self.now())
        if (refusal := self._refusal(request)) is not None:
            return refusal
        for symbol in wanted:  # as Alpaca does: one that cannot be a symbol spoils the request
            if not symbol.replace(".", "").isalpha():
                return web.json_response({"message": f"invalid symbol: {symbol}"}, status=400)
        if Fault.REST_EMPTY in self.faults:
            return web.json_response({})
        return web.json_response({symbol: self.snapshot(symbol) for symbol in wanted if symbol in self.symbols})

    def snapshot(self, symbol: str) -> dict[str, Any]:
        price = self._prices[symbol]
        return {
            "latestTrade": self._last[symbol],
            "latestQuote": {"bp": round(price - 0.01, 2), "bs": 1, "ap": round(price + 0.01, 2), "as": 2, "c": ["R"]},
            "minuteBar": self.bar(self._minute(), price, 100),
            "dailyBar": self.bar(self._day(0), price, self._volumes[symbol]),
            "prevDailyBar": self.bar(self._day(1), round(price * 0.98, 2), 900_000),
        }

    async def _bars(self, request: web.Request) -> web.StreamResponse:
        """Regular and extended minutes, or days, a page at a time."""
        self.bars_asked.append(dict(request.query))
        if (refusal := self._refusal(request)) is not None:
            return refusal
        symbol = request.query["symbols"]
        if symbol not in self.symbols:
            return web.json_response({"bars": {}, "next_page_token": None})
        start, end = (datetime.fromisoformat(request.query[name]) for name in ("start", "end"))
        step = timedelta(days=1) if request.query["timeframe"] == "1Day" else timedelta(minutes=1)
        rows = [self.bar(time, price_at(time), 60) for time in bar_times(start, min(end, self._moment()), step)]
        first = int(request.query.get("page_token", "0"))
        page, rest = rows[first : first + PAGE_BARS], rows[first + PAGE_BARS :]
        token = str(first + PAGE_BARS) if rest else None
        return web.json_response({"bars": {symbol: page}, "next_page_token": token})

    # --- the feed ---------------------------------------------------------------------------------------------------

    async def _feed(self, request: web.Request) -> web.StreamResponse:
        self.connections_total += 1
        if Fault.REFUSE in self.faults:
            return web.Response(status=503)
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        subscribed: set[str] = set()
        if Fault.NO_WELCOME not in self.faults:
            await socket.send_json([{"T": "success", "msg": "connected"}])
        telling: asyncio.Task[None] | None = None
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    continue
                order = json.loads(message.data)
                if order["action"] == "auth":
                    self.logins.append((order["key"], order["secret"]))
                    if not await self._admit(socket, order):
                        break
                    self.subscriptions.append(subscribed)
                    telling = asyncio.create_task(self._tell(socket, request, subscribed))
                elif telling is None:
                    await error(socket, 401, "not authenticated")
                else:
                    await self._obey(socket, order, subscribed)
        finally:
            if telling is not None:
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)
        return socket

    async def _admit(self, socket: web.WebSocketResponse, order: dict[str, Any]) -> bool:
        fault = next((fault for fault in (Fault.AUTH_FAILED, Fault.CONNECTION_LIMIT) if fault in self.faults), None)
        if (order["key"], order["secret"]) != (KEY_ID, SECRET_KEY):
            fault = Fault.AUTH_FAILED
        if fault is not None:
            await error(socket, *ERRORS[fault])
            await socket.close()
            return False
        await socket.send_json([{"T": "success", "msg": "authenticated"}])
        return True

    async def _obey(self, socket: web.WebSocketResponse, order: dict[str, Any], subscribed: set[str]) -> None:
        wanted = set(order["trades"])
        if order["action"] == "unsubscribe":
            subscribed -= wanted
        elif len(subscribed | wanted) > self.symbol_limit:
            await error(socket, 405, "symbol limit exceeded")
            return
        else:
            subscribed |= wanted
        told = sorted(subscribed)
        await socket.send_json([{"T": "subscription", "trades": told, "quotes": [], "bars": [], "dailyBars": told}])

    async def _tell(self, socket: web.WebSocketResponse, request: web.Request, subscribed: set[str]) -> None:
        told: dict[str, str] = {}
        while not socket.closed:
            if Fault.CLOSE_1000 in self.faults or Fault.CLOSE_1001 in self.faults:
                await socket.close(code=1000 if Fault.CLOSE_1000 in self.faults else 1001)
                return
            if Fault.ABORT in self.faults:
                assert request.transport is not None
                request.transport.abort()
                return
            if Fault.SLOW_CLIENT in self.faults:
                await error(socket, *ERRORS[Fault.SLOW_CLIENT])
                await socket.close()
                return
            if Fault.GARBAGE in self.faults:
                for junk in _GARBAGE:
                    await socket.send_str(junk)
            elif subscribed and Fault.SILENT not in self.faults:
                await socket.send_json(self._round(sorted(subscribed), told))
            await asyncio.sleep(self.tick_seconds)

    def _round(self, symbols: list[str], told: dict[str, str]) -> list[dict[str, Any]]:
        """The trades that this connection has not been told of."""
        news: list[dict[str, Any]] = [{"T": "s", "S": "AAPL", "sc": "2"}]  # a type that nobody has asked for
        for symbol in symbols if Fault.TRADES_MUTE not in self.faults else ():
            trade = {"T": "t", "S": symbol, **self._last[symbol]}
            if told.get(symbol) == trade["t"]:
                continue
            told[symbol] = trade["t"]
            news += [trade] * (1000 if Fault.LARGE_FRAMES in self.faults else 1)
            if Fault.OLD_TRADES in self.faults:
                news.append({**trade, "p": 1.0, "t": nanoseconds(self.now() - 3600)})
        day = self.bar(self._day(0), self._prices[symbols[0]], self._volumes[symbols[0]])
        return [*news, {"T": "d", "S": symbols[0], **day}]

    # --- the market -------------------------------------------------------------------------------------------------

    def trade(self, symbol: str) -> dict[str, Any]:
        price = self._prices[symbol] = self._prices[symbol] * (1 + self._rng.uniform(-0.0005, 0.0005))
        self._volumes[symbol] += 10
        conditions = ["@", "I"] if Fault.ODD_LOTS in self.faults else ["@"]
        return {
            "t": nanoseconds(self.now()),
            "x": "V",
            "p": round(price, 2),
            "s": 10,
            "c": conditions,
            "i": 1,
            "z": "C",
        }

    def bar(self, time: datetime, price: float, volume: int) -> dict[str, Any]:
        return {
            "t": time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "o": round(price, 2), "h": round(price * 1.02, 2), "l": round(price * 0.98, 2), "c": round(price, 2),
            "v": volume, "n": 3, "vw": round(price, 4),
        }  # fmt: skip

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self.now(), UTC)

    def _minute(self) -> datetime:
        return self._moment().replace(second=0, microsecond=0)

    def _day(self, back: int) -> datetime:
        day = self._moment().astimezone(NEW_YORK).replace(hour=0, minute=0, second=0, microsecond=0)
        for _ in range(back):
            day -= timedelta(days=3 if day.weekday() == 0 else 1)
        return day


def bar_times(start: datetime, end: datetime, step: timedelta) -> list[datetime]:
    """Weekdays, or the minutes of weekdays from eight to five."""
    local = start.astimezone(NEW_YORK).replace(second=0, microsecond=0)
    if step == timedelta(days=1):
        local = local.replace(hour=0, minute=0)
    times = []
    while local < end:
        if local >= start and local.weekday() < 5 and (step > timedelta(hours=1) or 8 <= local.hour < 17):
            times.append(local)
        local += step
    return times


def price_at(time: datetime) -> float:
    """The price of a minute: dollars by the hour, cents by the minute, New York's."""
    local = time.astimezone(NEW_YORK)
    return 100 + local.hour + local.minute / 100


def nanoseconds(epoch_seconds: float) -> str:
    moment = datetime.fromtimestamp(epoch_seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}789Z"


async def error(socket: web.WebSocketResponse, code: int, message: str) -> None:
    await socket.send_json([{"T": "error", "code": code, "msg": message}])
