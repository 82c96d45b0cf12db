"""A Coinbase Exchange on this machine: candles by HTTP, ticker and heartbeat by WebSocket, and faults on demand."""

import asyncio
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from aiohttp import WSMsgType, web


class Fault(StrEnum):
    SILENT = "silent"  # connected, pings answered, subscription answered, and not a message more
    TICKERS_MUTE = "tickers-mute"  # heartbeats go on and tell of trades; tickers stop
    ONE_PRODUCT_MUTE = "one-product-mute"  # the first product stops altogether, the others go on
    CLOSE_1000 = "close-1000"
    CLOSE_1001 = "close-1001"
    ABORT = "abort"
    REFUSE = "refuse"  # 503 in place of the upgrade
    GARBAGE = "garbage"
    OLD_SEQUENCE = "old-sequence"  # every ticker once more, with its old sequence
    SKIP = "skip"  # every other trade is told by no ticker
    REST_500 = "rest-500"
    REST_429 = "rest-429"
    REST_HTML = "rest-html"
    REST_RESET = "rest-reset"


_GARBAGE = ("no json", '{"type":"ticker"}', '{"type":"ticker","product_id":"BTC-USD","sequence":"x"}', "[1]", "{}")
_DAY_SECONDS = 86_400


class CoinbaseStandin:
    """Products that trade once a `tick_seconds` of the clock given.

    Args:
        products: What it has.
        now: The market's clock, epoch seconds.
        tick_seconds: Real seconds between rounds of messages.
    """

    def __init__(self, products: tuple[str, ...], *, now: Callable[[], float], tick_seconds: float = 0.02) -> None:
        self.products = products
        self.now = now
        self.tick_seconds = tick_seconds
        self.faults: set[Fault] = set()
        self.refused: set[str] = set()  # products whose subscription is refused though there are candles
        self.connections_total = 0
        self.open_connections = 0
        self.requests = 0
        self.subscriptions: list[set[str]] = []
        self.trade_id = 1000
        self._rng = random.Random(1)
        self._prices = {product: 100.0 * (number + 1) for number, product in enumerate(products)}
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/"

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/", self._feed)
        app.router.add_get("/products/{product}/candles", self._candles)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _candles(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        product = request.match_info["product"]
        if Fault.REST_500 in self.faults:
            return web.json_response({"message": "Internal server error"}, status=500)
        if Fault.REST_429 in self.faults:
            return web.json_response({"message": "Public rate limit exceeded"}, status=429)
        if Fault.REST_HTML in self.faults:
            return web.Response(text="<html>maintenance</html>", content_type="text/html")
        if Fault.REST_RESET in self.faults:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if product not in self.products:
            return web.json_response({"message": "NotFound"}, status=404)
        if request.query["granularity"] == "60":
            return web.json_response(_minutes(request.query["start"], request.query["end"], self.now()))
        today = int(self.now() // _DAY_SECONDS) * _DAY_SECONDS
        price = self._prices[product]
        rows = [
            [today, round(price * 0.9, 2), round(price * 1.1, 2), round(price, 2), round(price, 2), 10.5],
            [today - _DAY_SECONDS, round(price * 0.8, 2), round(price, 2), round(price, 2), round(price * 0.95, 2), 20],
        ]
        return web.json_response(rows)

    async def _feed(self, request: web.Request) -> web.StreamResponse:
        self.connections_total += 1
        if Fault.REFUSE in self.faults:
            return web.Response(status=503)
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        self.open_connections += 1
        subscribed: set[str] = set()
        self.subscriptions.append(subscribed)
        telling = asyncio.create_task(self._tell(socket, request, subscribed))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._obey(socket, json.loads(message.data), subscribed)
        finally:
            self.open_connections -= 1
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
        return socket

    async def _obey(self, socket: web.WebSocketResponse, order: dict[str, Any], subscribed: set[str]) -> None:
        wanted = set(order["product_ids"])
        unknown = sorted(wanted - (set(self.products) - self.refused))
        if order["type"] == "unsubscribe":
            subscribed -= wanted
        elif unknown:  # as the exchange does: nothing of the order is taken
            await socket.send_json(
                {"type": "error", "message": "Failed to subscribe", "reason": f"{unknown[0]} is not a valid product"}
            )
            return
        else:
            subscribed |= wanted
        channels = [{"name": name, "product_ids": sorted(subscribed)} for name in order["channels"]]
        await socket.send_json({"type": "subscriptions", "channels": channels})

    async def _tell(self, socket: web.WebSocketResponse, request: web.Request, subscribed: set[str]) -> None:
        while not socket.closed:
            if subscribed:
                if Fault.CLOSE_1000 in self.faults or Fault.CLOSE_1001 in self.faults:
                    await socket.close(code=1000 if Fault.CLOSE_1000 in self.faults else 1001)
                    return
                if Fault.ABORT in self.faults:
                    assert request.transport is not None
                    request.transport.abort()
                    return
                if Fault.GARBAGE in self.faults:
                    for junk in _GARBAGE:
                        await socket.send_str(junk)
                elif Fault.SILENT not in self.faults:
                    await self._round(socket, sorted(subscribed))
            await asyncio.sleep(self.tick_seconds)

    async def _round(self, socket: web.WebSocketResponse, products: list[str]) -> None:
        for product in products:
            if Fault.ONE_PRODUCT_MUTE in self.faults and product == self.products[0]:
                continue
            self.trade_id += 1
            is_told = not (Fault.SKIP in self.faults and self.trade_id % 2)
            if is_told and Fault.TICKERS_MUTE not in self.faults:
                ticker = self.ticker(product)
                await socket.send_json(ticker)
                if Fault.OLD_SEQUENCE in self.faults:
                    await socket.send_json({**ticker, "sequence": ticker["sequence"] - 5, "price": "1.00"})
            await socket.send_json(
                {
                    "type": "heartbeat",
                    "product_id": product,
                    "sequence": self.trade_id * 10,
                    "last_trade_id": self.trade_id,
                    "time": _iso(self.now()),
                }
            )
        await socket.send_json({"type": "status", "products": []})  # a type that nobody has asked for

    def ticker(self, product: str) -> dict[str, Any]:
        price = self._prices[product] = self._prices[product] * (1 + self._rng.uniform(-0.0005, 0.0005))
        return {
            "type": "ticker",
            "sequence": self.trade_id * 10,
            "product_id": product,
            "price": f"{price:.2f}",
            "open_24h": f"{price * 0.5:.2f}",
            "volume_24h": "12345.67890123",
            "low_24h": f"{price * 0.4:.2f}",
            "high_24h": f"{price * 2:.2f}",
            "volume_30d": "999999.1",
            "best_bid": f"{price - 0.01:.2f}",
            "best_bid_size": "0.5",
            "best_ask": f"{price + 0.01:.2f}",
            "best_ask_size": "0.25",
            "side": "buy",
            "time": _iso(self.now()),
            "trade_id": self.trade_id,
            "last_size": "0.01",
        }


def _minutes(start: str, end: str, now: float) -> list[list[float]]:
    """Both ends included, newest first, 300 at most; every seventh minute had no trade; 0.4 coins a minute."""
    first, last = (int(datetime.fromisoformat(text).timestamp()) for text in (start, end))
    if (last - first) // 60 + 1 > 300:
        raise web.HTTPBadRequest(text='{"message": "granularity too small for the requested time range"}')
    times = [time for time in range(first, min(last, int(now)) + 1, 60) if time // 60 % 7 != 5]
    return [[time, 99.5, 101.5, 100.0 + time // 60 % 10 / 10, 101.0, 0.4] for time in reversed(times)]


def _iso(epoch_seconds: float) -> str:
    return datetime.fromtimestamp(epoch_seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
