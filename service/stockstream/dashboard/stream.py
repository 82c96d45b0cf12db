"""`/api/v1/stream`: what is accepted, as server-sent events; a client that comes back goes on where it stood."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from stockstream.dashboard.board import Board, Event, Listener, event_of
from stockstream.dashboard.problems import ApiError
from stockstream.dashboard.query import Query
from stockstream.reading import Place
from stockstream_wire import format_timestamp

_PING_SECONDS: Final = 10.0
_RECONNECT_MS: Final = 1000
# Who is so far behind that the log must be read anew for him; more of them at once wait.
_CATCHING_UP_MAX: Final = 8
_STREAMS_MAX: Final = 200


class Streams:
    """Serves the stream to all.

    Args:
        board: The market as it is now.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self._catching_up = asyncio.Semaphore(_CATCHING_UP_MAX)
        self._open = 0

    async def stream(self, request: Request) -> Response:
        """Events `quotes`, each with the place behind it as its id; begins at `since`, or now."""
        query = Query(request, "symbols", "since")
        symbols = query.symbols()
        text = request.headers.get("last-event-id") or query.text("since")
        place = Place.parse(text) if text is not None else None
        ours = self._board.place
        if place is not None and ours is not None and len(place.positions) != len(ours.positions):
            raise ApiError(400, f"since={text!r}: of a log with another number of partitions. Remedy: leave it out")
        if self._open >= _STREAMS_MAX:
            raise ApiError(503, f"{_STREAMS_MAX} streams are open. Remedy: close some")
        chosen = frozenset(symbols) if symbols is not None else None
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._events(place, chosen), media_type="text/event-stream", headers=headers)

    async def _events(self, place: Place | None, symbols: frozenset[str] | None) -> AsyncIterator[bytes]:
        self._open += 1
        try:
            async with self._board.listening() as listener:
                yield f"retry: {_RECONNECT_MS}\n\n".encode()
                place = place or self._board.place
                if place is not None:
                    async with aclosing(self._behind(place)) as events:
                        async for event in events:
                            place = _with(place, event)
                            yield _frame(event, place, symbols)
                async with aclosing(_live(listener)) as live:
                    async for item in live:
                        if item is None:
                            yield b": ping\n\n"
                        elif place is None or item.revision > place.positions[item.number].revision:
                            place = _with(place, item)
                            yield _frame(item, place, symbols)
        finally:
            self._open -= 1

    async def _behind(self, place: Place) -> AsyncGenerator[Event]:
        """What lies between a place and where the board is."""
        kept = self._board.kept_behind(place)
        if kept is not None:
            for event in kept:
                yield event
            return
        goal = self._board.place
        if goal is None or _covers(place, goal):
            return
        async with self._catching_up, aclosing(self._board.market.follow(place)) as updates:
            async for update in updates:
                yield event_of(update)
                if _covers(update.place, goal):
                    return


async def _live(listener: Listener) -> AsyncGenerator[Event | None]:
    """Events as they come, None where nothing came for some seconds; ends where the listener is let go."""
    while True:
        try:
            async with asyncio.timeout(_PING_SECONDS):
                event = await listener.queue.get()
        except TimeoutError:
            yield None
            continue
        if event is None:
            return
        yield event


def _with(place: Place | None, event: Event) -> Place:
    if place is None:
        return event.update.place
    return place.at(event.number, event.update.place.positions[event.number])


def _covers(place: Place, goal: Place) -> bool:
    return all(ours.revision >= theirs.revision for ours, theirs in zip(place.positions, goal.positions, strict=True))


def _frame(event: Event, place: Place, symbols: frozenset[str] | None) -> bytes:
    quotes = [data for symbol, data in event.quotes if symbols is None or symbol in symbols]
    written_at = event.update.written_at
    stored = format_timestamp(written_at) if written_at is not None else ""
    is_gap = b"true" if event.update.is_gap else b"false"
    head = b'{"stored_at":"%b","gap":%b,"quotes":[' % (stored.encode(), is_gap)
    return b"id: %b\nevent: quotes\ndata: %b%b]}\n\n" % (str(place).encode(), head, b",".join(quotes))
