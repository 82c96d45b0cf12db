"""How a run of local mode is shown: log lines, or the live view."""

import asyncio
import io
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog
from rich.console import Console

from stockstream.local.keys import watch_keys
from stockstream.local.log_file import RotatingFile
from stockstream.local.options import LocalOptions
from stockstream.local.screen import AlertList, view_state
from stockstream.local.stages import notices
from stockstream.local.state import LocalState
from stockstream.local.summary import Summary
from stockstream.local.view import LiveView, StageStatus, render_summary
from stockstream.observability.logs import configure_logging, is_plain_terminal
from stockstream.settings import Settings

if TYPE_CHECKING:
    from stockstream.local.run import LocalRun

_PROGRESS_SECONDS: Final = 5.0
_QUIT_KEYS: Final = frozenset("qQ")

log = structlog.get_logger("stockstream.local")


class Presenter(Protocol):
    """Shows a run to a person or a log."""

    def watching(self, run: "LocalRun") -> AbstractAsyncContextManager[None]:
        """Show the run for as long as the context lasts."""
        ...

    def on_alert(self, subject: str, message: Any) -> None: ...
    def show_summary(self, summary: Summary) -> None: ...
    def say(self, text: str) -> None: ...


def make_presenter(settings: Settings, options: LocalOptions, state: LocalState) -> Presenter:
    """Choose the live view on a terminal, log lines elsewhere or where they are asked for; sets up logging for it."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that does not know a character shows "?": it must not end the run.
        sys.stdout.reconfigure(errors="replace")
    if options.plain or not sys.stdout.isatty() or is_plain_terminal(os.environ):
        configure_logging(settings.log_level, settings.log_format)
        return PlainPresenter()
    configure_logging(settings.log_level, "json", RotatingFile(state.root / "service.log"))
    return LivePresenter(log_path=state.root / "service.log")


class LivePresenter:
    """The live terminal view; log lines go to a file meanwhile."""

    def __init__(self, log_path: Path) -> None:
        self._console = Console()
        self._alerts = AlertList()
        self._log_path = log_path
        self._console.print(f"Starting; logs go to {log_path}", style="bright_black")

    @asynccontextmanager
    async def watching(self, run: "LocalRun") -> AsyncIterator[None]:
        def on_key(key: str) -> None:
            # As the first Ctrl-C; the second ends at once, and a key is too easily pressed twice for that.
            if key in _QUIT_KEYS and not run.stop.is_set():
                signal.raise_signal(signal.SIGINT)

        with watch_keys(on_key):
            async with LiveView(lambda: view_state(run, self._alerts), console=self._console):
                yield

    def on_alert(self, subject: str, message: Any) -> None:
        self._alerts.add(subject, message)

    def show_summary(self, summary: Summary) -> None:
        self._console.print(render_summary(summary))
        self._console.print(f"Logs: {self._log_path}", style="bright_black")

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class PlainPresenter:
    """Log lines: the service's own, a progress line every few seconds, alerts, the summary."""

    @asynccontextmanager
    async def watching(self, run: "LocalRun") -> AsyncIterator[None]:
        reporting = asyncio.create_task(self._report(run))
        try:
            yield
        finally:
            reporting.cancel()
            await asyncio.gather(reporting, return_exceptions=True)

    def on_alert(self, subject: str, message: Any) -> None:
        log.warning("alert", subject=subject, message=message)

    def show_summary(self, summary: Summary) -> None:
        say = log.error if summary.exit_code else log.info
        say(
            "summary",
            source=summary.source,
            is_market_data=summary.is_market_data,
            accepted=summary.accepted,
            sent=summary.sent,
            stored=summary.stored,
            archived=summary.archived,
            alerts=summary.alerts,
            quarantined=summary.quarantined,
            rejected=summary.rejected,
            lost=summary.lost,
            elapsed_seconds=summary.elapsed_seconds,
        )

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - for the person at the terminal

    async def _report(self, run: "LocalRun") -> None:
        while True:
            await asyncio.sleep(_PROGRESS_SECONDS)
            log.info(
                "progress",
                phase=run.phase,
                accepted=run.service.counters.accepted,
                archived=run.archive.quotes,
                behind=run.backlog.waiting,
                alerts=run.inbox.received,
            )
            for notice in notices(run):
                # Refused quotes have a line each of their own.
                if notice.status is not StageStatus.WAITING and not notice.text.startswith("rejected"):
                    log.warning("notice", text=notice.text)
