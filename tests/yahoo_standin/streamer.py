"""The stand-in's WebSocket: `{"subscribe": [...]}` in, base64 PricingData out, and every way of going away."""

import asyncio
import base64
import json
import ssl
from contextlib import suppress

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.yahoo_standin.faults import Fault, FaultPlan
from tests.yahoo_standin.market import Market

_CLOSES = {Fault.WS_CLOSE_1000: 1000, Fault.WS_CLOSE_1001: 1001, Fault.WS_CLOSE_1011: 1011}


def pricing_message(result: dict[str, object], *, with_range: bool = True) -> str:
    """One message as Yahoo sends it, made from a v7 result; float fields are float32, zeros vanish."""
    from yfinance.pricing_pb2 import PricingData

    tick = PricingData(
        id=str(result["symbol"]),
        price=float(str(result["regularMarketPrice"])),
        time=int(str(result["regularMarketTime"])) * 1000,
        exchange=str(result["exchange"]),
        quote_type=8,
        market_hours=1,
        day_volume=int(str(result["regularMarketVolume"])),
        price_hint=int(str(result["priceHint"])),
    )
    if with_range:
        tick.day_high = float(str(result["regularMarketDayHigh"]))
        tick.day_low = float(str(result["regularMarketDayLow"]))
    encoded = base64.b64encode(tick.SerializeToString()).decode()
    return json.dumps({"type": "pricing", "message": encoded})


class Streamer:
    """Ticks of every subscribed symbol, each `tick_seconds`."""

    def __init__(self, market: Market, faults: FaultPlan) -> None:
        self.market = market
        self.faults = faults
        self.tick_seconds = 0.05
        self.port = 0
        self.connections_total = 0
        self.subscriptions: list[set[str]] = []
        self._stopping = asyncio.Event()
        self._server: Server | None = None

    async def start(self, tls: ssl.SSLContext) -> None:
        # No pings of the server's own, and a close that waits for nobody: half-open is one of the faults.
        self._server = await serve(
            self._serve, "127.0.0.1", 0, ssl=tls, ping_interval=None, close_timeout=0.2, compression=None
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._stopping.set()
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, connection: ServerConnection) -> None:
        self.connections_total += 1
        symbols: set[str] = set()
        self.subscriptions.append(symbols)
        listening = asyncio.create_task(_listen(connection, symbols))
        try:
            with suppress(ConnectionClosed):
                while not listening.done():
                    if await self._fault(connection):
                        return
                    for symbol in sorted(symbols):
                        result = self.market.quote(symbol)
                        if result is not None:
                            await connection.send(pricing_message(result))
                    await asyncio.sleep(self.tick_seconds)
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError, ConnectionClosed):
                await listening

    async def _fault(self, connection: ServerConnection) -> bool:
        """Let a fault strike; True where the connection is over."""
        fault = self.faults.strikes(*_CLOSES, Fault.WS_CLOSE_1006, Fault.WS_GARBAGE, Fault.WS_SILENT)
        if fault in _CLOSES:
            await connection.close(_CLOSES[fault], "standin")
            return True
        if fault is Fault.WS_CLOSE_1006:
            connection.transport.abort()
            return True
        if fault is Fault.WS_GARBAGE:
            for junk in ("no json", '{"type":"pricing"}', '{"type":"pricing","message":"!!!"}', b"\x00\xff", "[1]"):
                await connection.send(junk)
        if fault is Fault.WS_SILENT:
            connection.transport.pause_reading()
            await self._stopping.wait()
            connection.transport.abort()
            return True
        return False


async def _listen(connection: ServerConnection, symbols: set[str]) -> None:
    async for message in connection:
        order = json.loads(message)
        symbols.update(order.get("subscribe", []))
        symbols.difference_update(order.get("unsubscribe", []))
