"""The live view as a task: reads a snapshot four times a second and draws it on the terminal's other screen."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.live import Live

from stockstream.clock import SYSTEM_CLOCK, Clock
from stockstream.local.view._render import render_view
from stockstream.local.view._state import StageRow, ViewState

REFRESH_SECONDS: Final = 0.25
_RATE_WINDOW_SECONDS: Final = 5.0


class RateMeter:
    """Rates per second of the stages, over the last seconds of counts."""

    def __init__(self, window_seconds: float = _RATE_WINDOW_SECONDS) -> None:
        self._window_seconds = window_seconds
        self._counts: dict[str, deque[tuple[float, int]]] = {}

    def update(self, stages: Sequence[StageRow], now_seconds: float) -> tuple[StageRow, ...]:
        """Remember the counts at this monotonic moment; the same stages with their rates filled in."""
        return tuple(replace(stage, rate_per_second=self._rate(stage, now_seconds)) for stage in stages)

    def _rate(self, stage: StageRow, now_seconds: float) -> float | None:
        points = self._counts.setdefault(stage.name, deque())
        points.append((now_seconds, stage.count))
        # The oldest point kept is the newest one that spans the window, so that a rate is over all of it.
        while len(points) > 2 and points[1][0] <= now_seconds - self._window_seconds:
            points.popleft()
        elapsed_seconds = now_seconds - points[0][0]
        return (stage.count - points[0][1]) / elapsed_seconds if elapsed_seconds > 0 else None


class LiveView:
    """Draws until it is left; the terminal is then as it was before.

    Args:
        read: Returns the snapshot to draw; called in the event loop, must be quick.
        console: Where to draw; the standard output unless given.
        clock: Pace and rates.

    Example:
        async with LiveView(read):
            await run()
    """

    def __init__(
        self, read: Callable[[], ViewState], *, console: Console | None = None, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._read = read
        self._console = Console() if console is None else console
        self._clock = clock
        self._rates = RateMeter()
        # The other screen of the terminal: nothing scrolls, nothing flickers, and the shell's text comes back.
        self._live = Live(console=self._console, screen=True, auto_refresh=False, redirect_stderr=True)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._live.start()
        self._task = asyncio.create_task(self._draw_until_cancelled(), name="live-view")
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if self._task is not None:
                self._task.cancel()
                await asyncio.gather(self._task, return_exceptions=True)
        finally:
            self._live.stop()
        # A view that broke must say so; a run that broke says something more important.
        if exc is None and self._task is not None and not self._task.cancelled():
            self._task.result()

    def draw(self) -> None:
        """Draw the snapshot of this moment."""
        state = self._read()
        state = replace(state, stages=self._rates.update(state.stages, self._clock.monotonic()))
        width, height = self._console.size
        ascii_only = not self._console.encoding.lower().startswith("utf")
        self._live.update(render_view(state, width, height, ascii_only=ascii_only), refresh=True)

    async def _draw_until_cancelled(self) -> None:
        while True:
            self.draw()
            await self._clock.sleep(REFRESH_SECONDS)
