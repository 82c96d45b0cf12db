"""The market as it is now, kept by following the log once for all who look: rows, and what is new to each of them."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from stockstream.errors import StockstreamError
from stockstream.reading import Market, Place, Rows, StoredQuote, Update, live_quote
from stockstream.redaction import redact
from stockstream_wire import encode_quote

# Updates kept for who comes back; a minute of a busy market.
_KEPT_UPDATES: Final = 2000
# Who does not take what is his for so long is let go, and comes back by its place.
_WAITING_UPDATES_MAX: Final = 500
_RETRY_SECONDS: Final = 2.0

log = structlog.get_logger("stockstream.dashboard")


class Event(NamedTuple):
    """An update, its quotes as bytes: encoded once for all who listen."""

    update: Update
    quotes: tuple[tuple[str, bytes], ...]

    @property
    def number(self) -> int:
        return self.update.partition.number

    @property
    def revision(self) -> int:
        return self.update.place.positions[self.number].revision


def event_of(update: Update) -> Event:
    return Event(update, tuple((quote.symbol, encode_quote(quote)) for quote in update.quotes))


class Listener:
    """One who listens: a bounded queue."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Event | None] = asyncio.Queue(_WAITING_UPDATES_MAX)

    def put(self, event: Event) -> bool:
        """False: it is too far behind, and is let go."""
        if self.queue.full():
            self.end()
            return False
        self.queue.put_nowait(event)
        return True

    def end(self) -> None:
        """Nothing comes any more: the mark of that takes the place of what waits."""
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(None)


@dataclass
class Board:
    """Rows by symbol, and how far they are.

    Attributes:
        market: What is read.
        anomaly_threshold_percent: As the deployment's consumer has it.
        poll_seconds: Pause between two looks at the log.
        rows: The newest quote of each symbol.
        place: How far the log is read; None before anything was stored.
        error: Why it is not being read; None while it is.
        read_at: When it last was.
        loaded: The newest quote of every symbol was read, or there is none.
        taken: Quotes that came by the log since the page's server began.
    """

    market: Market
    anomaly_threshold_percent: Decimal = Decimal(5)
    poll_seconds: float = 1.0
    rows: dict[str, StoredQuote] = field(default_factory=dict)
    place: Place | None = None
    error: str | None = None
    read_at: datetime | None = None
    loaded: asyncio.Event = field(default_factory=asyncio.Event)
    taken: int = 0
    _kept: deque[Event] = field(default_factory=lambda: deque(maxlen=_KEPT_UPDATES))
    _listeners: set[Listener] = field(default_factory=set)
    _rate: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_KEPT_UPDATES))

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow the log for as long as the context lasts."""
        task = asyncio.create_task(self._follow(), name="dashboard-board")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self.end_listeners()

    def status(self) -> Mapping[str, Any]:
        """What the banner says."""
        sources = Counter(row.source or "unknown" for row in self.rows.values())
        return {
            "place": str(self.place) if self.place is not None else None,
            "symbols": len(self.rows),
            "sources": dict(sources),
            "error": self.error,
            "read_at": self.read_at,
            "newest_event": max((row.timestamp for row in self.rows.values()), default=None),
            "quotes_per_second": self._quotes_per_second(),
            "anomaly_threshold_percent": self.anomaly_threshold_percent,
        }

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Listener]:
        listener = Listener()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def end_listeners(self) -> None:
        """Nothing comes any more."""
        for listener in self._listeners:
            listener.end()

    def kept_behind(self, place: Place) -> list[Event] | None:
        """Updates behind a place; None where they are not all kept any more."""
        if self.place is None or len(place.positions) != len(self.place.positions):
            return None
        behind = [event for event in self._kept if event.revision > place.positions[event.number].revision]
        missing = sum(
            max(0, ours.revision - theirs.revision)
            for ours, theirs in zip(self.place.positions, place.positions, strict=True)
        )
        return behind if len(behind) == missing else None

    async def _follow(self) -> None:
        while True:
            try:
                await self._load()
                async for update in self.market.follow(self.place, poll_seconds=self.poll_seconds):
                    if update.is_gap:
                        await self._load()
                    self.take(update)
            except (StockstreamError, ClientError, BotoCoreError, OSError, TimeoutError) as exc:
                self.error = redact(str(exc) or type(exc).__name__)
                log.warning("board_not_read", error=self.error)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _load(self) -> None:
        """Where the log ends, and the newest quote of every symbol: once, and again after an error."""
        while self.place is None:
            self.place = await self.market.end()
            self.error, self.read_at = None, datetime.now(UTC)
            if self.place is None:
                self.loaded.set()
                await asyncio.sleep(self.poll_seconds)
        for row in await self.market.latest():
            self._keep(row)
        self.error, self.read_at = None, datetime.now(UTC)
        self.loaded.set()

    def take(self, update: Update) -> None:
        """Take an update: rows, memory, and all who listen."""
        self.place, self.error, self.read_at = update.place, None, datetime.now(UTC)
        for quote in update.quotes:
            self._keep(live_quote(quote, self.anomaly_threshold_percent))
        self.taken += len(update.quotes)
        event = event_of(update)
        self._kept.append(event)
        self._rate.append((asyncio.get_running_loop().time(), len(update.quotes)))
        self._listeners -= {listener for listener in self._listeners if not listener.put(event)}

    def newest(self) -> Rows[StoredQuote]:
        return Rows(self.rows[symbol] for symbol in sorted(self.rows))

    def _keep(self, row: StoredQuote) -> None:
        known = self.rows.get(row.symbol)
        if known is None or row.timestamp >= known.timestamp:
            self.rows[row.symbol] = row

    def _quotes_per_second(self) -> float:
        now = asyncio.get_running_loop().time()
        window = 10.0
        return round(sum(count for at, count in self._rate if now - at <= window) / window, 1)
