"""The WebSocket of a streaming source: connected for as long as anyone listens, whatever happens to it.

The reconnecting is ours and not the `websockets` library's iterator: that reconnects at once after a close in good
order, which is a busy loop against a server that closes every connection it accepts. All waits between connections are
one: full jitter, growing until a connection has proved itself.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from stockstream.clock import Clock

FIRST_WAIT_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 60.0
# Full jitter reaches down to 0; two connections in this time are a hiccup, a hundred would be a busy loop.
SHORTEST_WAIT_SECONDS: Final = 0.25
# A connection that has lived this long and given a tick starts the waits from the first again.
PROVEN_AFTER_SECONDS: Final = 30.0
# A half-open connection is found out after interval + timeout.
PING_INTERVAL_SECONDS: Final = 15.0
PING_TIMEOUT_SECONDS: Final = 10.0
# How often the watchlist is looked at.
RESUBSCRIBE_SECONDS: Final = 15.0
# Unreadable messages in a row after which the connection is worth nothing.
GARBAGE_IN_A_ROW_MAX: Final = 20
# A tick is 150 to 600 bytes.
MESSAGE_MAX_BYTES: Final = 65_536
SUBSCRIBE_SYMBOLS_MAX: Final = 500

log = structlog.get_logger("stockstream.stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTimings:
    """The waits of a connection, seconds; tests shorten them."""

    first_wait_seconds: float = FIRST_WAIT_SECONDS
    longest_wait_seconds: float = LONGEST_WAIT_SECONDS
    shortest_wait_seconds: float = SHORTEST_WAIT_SECONDS
    proven_after_seconds: float = PROVEN_AFTER_SECONDS
    ping_interval_seconds: float = PING_INTERVAL_SECONDS
    ping_timeout_seconds: float = PING_TIMEOUT_SECONDS
    resubscribe_seconds: float = RESUBSCRIBE_SECONDS


class StreamConnection:
    """Keeps a subscription alive and hands over raw messages.

    Args:
        symbols: What to subscribe to, asked again at each subscription: the watchlist may have changed.
        on_message: Takes a raw message; returns whether it could be read. Awaited, so a slow consumer slows the socket.
        orders: Messages that subscribe to the first symbols and leave the second, as the server wants them said.
        url: The streamer.
        clock: Time.
        rng: Randomness of the waits.
        repeats: Whether to subscribe again and again, for a server that forgets.
        message_max_bytes: A longer message ends the connection.
        awaits_admission: The server takes orders only of whom it knows: they wait until `admit` is called.
        timings: The waits.
    """

    def __init__(
        self,
        symbols: Callable[[], Iterable[str]],
        on_message: Callable[[str | bytes], Awaitable[bool]],
        *,
        orders: Callable[[list[str], list[str]], Iterable[str]],
        url: str,
        clock: Clock,
        rng: random.Random,
        repeats: bool = False,
        awaits_admission: bool = False,
        message_max_bytes: int = MESSAGE_MAX_BYTES,
        timings: StreamTimings | None = None,
    ) -> None:
        self._symbols = symbols
        self._orders = orders
        self._repeats = repeats
        self._awaits_admission = awaits_admission
        self._message_max_bytes = message_max_bytes
        self._admitted = asyncio.Event()
        self._changed = asyncio.Event()
        self._on_message = on_message
        self._clock = clock
        self._rng = rng
        self._url = url
        self._timings = timings or StreamTimings()
        self._failures = 0
        self._is_away = False
        self._connection: ClientConnection | None = None
        self.connections_total = 0
        self.last_message_seconds: float | None = None

    async def run(self) -> None:
        """Listen until cancelled; without a symbol to listen for there is no connection."""
        while True:
            await self._wait_for_symbols()
            connection = await self._connect()
            if connection is not None:
                async with connection:
                    self.connections_total += 1
                    started_seconds = self._clock.monotonic()
                    await self._listen_until_closed(connection)
                    lived_seconds = self._clock.monotonic() - started_seconds
                    useful = self.last_message_seconds is not None and self.last_message_seconds >= started_seconds
                    if useful and lived_seconds >= self._timings.proven_after_seconds:
                        self._failures = 0
            await self._clock.sleep(self._next_wait_seconds())

    async def _wait_for_symbols(self) -> None:
        while not any(True for _ in self._symbols()):
            self._changed.clear()
            due = self._clock.monotonic() + self._timings.resubscribe_seconds
            await self._clock.sleep_until(due, unless=self._changed)

    async def _connect(self) -> ClientConnection | None:
        """Connect once. Every failure is worth another try, refusals by the proxy or the server included."""
        try:
            connection = await connect(
                self._url,
                ping_interval=self._timings.ping_interval_seconds,
                ping_timeout=self._timings.ping_timeout_seconds,
                close_timeout=1.0,
                max_size=self._message_max_bytes,
            )
        except (OSError, TimeoutError, EOFError, WebSocketException) as exc:
            if not self._is_away:
                log.warning("stream_unreachable", reason=f"{type(exc).__name__}: {str(exc)[:200]}")
            self._is_away = True
            return None
        self._is_away = False
        return connection

    @property
    def is_open(self) -> bool:
        """Whether there is a connection now."""
        return self._connection is not None

    async def say(self, message: str) -> None:
        """Send a message of the caller's own; into nowhere where there is no connection."""
        if self._connection is not None:
            await self._connection.send(message)

    def admit(self) -> None:
        """Let the orders of this connection go."""
        self._admitted.set()

    def resubscribe(self) -> None:
        """Look at the symbols now, and tell the server where they have changed."""
        self._changed.set()

    async def reconnect(self, reason: str) -> None:
        """Give up the connection of now; `run` makes the next."""
        if self._connection is not None:
            log.warning("stream_given_up", reason=reason)
            await self._connection.close()

    async def _listen_until_closed(self, connection: ClientConnection) -> None:
        self._connection = connection
        if self._awaits_admission:
            self._admitted.clear()
        else:
            self._admitted.set()
        subscriber = asyncio.create_task(self._keep_subscribed(connection), name="stream-subscriber")
        try:
            await self._listen(connection)
            log.info("stream_ended", code=connection.close_code)
        except ConnectionClosed as exc:
            log.warning("stream_closed", code=exc.rcvd.code if exc.rcvd else 1006, reason=str(exc)[:200])
        finally:
            self._connection = None
            subscriber.cancel()
            await asyncio.gather(subscriber, return_exceptions=True)

    async def _listen(self, connection: ClientConnection) -> None:
        garbage = 0
        log.info("stream_connected", connections=self.connections_total)
        async for message in connection:
            if await self._on_message(message):
                self.last_message_seconds = self._clock.monotonic()
                garbage = 0
                continue
            garbage += 1
            if garbage >= GARBAGE_IN_A_ROW_MAX:
                log.warning("stream_garbage", messages=garbage)
                return

    async def _keep_subscribed(self, connection: ClientConnection) -> None:
        """Subscribe to what is wanted; of a change the difference alone, and now and then to all again where asked."""
        subscribed: set[str] = set()
        is_repeat = False
        await self._admitted.wait()
        while True:
            self._changed.clear()
            wanted = list(dict.fromkeys(self._symbols()))
            joined = wanted if is_repeat else [symbol for symbol in wanted if symbol not in subscribed]
            for order in self._orders(joined, sorted(subscribed.difference(wanted))):
                await connection.send(order)
            subscribed = set(wanted)
            if not wanted:
                await connection.close()
            due = self._clock.monotonic() + self._timings.resubscribe_seconds
            is_repeat = await self._clock.sleep_until(due, unless=self._changed) and self._repeats

    def _next_wait_seconds(self) -> float:
        timings = self._timings
        cap = min(timings.longest_wait_seconds, timings.first_wait_seconds * 2.0 ** min(self._failures, 10))
        self._failures += 1
        return self._rng.uniform(min(timings.shortest_wait_seconds, cap), cap)
