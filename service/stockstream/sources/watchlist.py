"""The watchlist of a running source: symbols join and leave without a restart."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from stockstream.settings._values import Watchlist, read_watchlist_file

log = structlog.get_logger("stockstream.watchlist")


@dataclass(frozen=True, slots=True)
class WatchlistChange:
    """What a new version of the file brought and took."""

    joined: tuple[str, ...]
    left: tuple[str, ...]


class WatchlistFollower:
    """The symbols to follow now. One from a file is read again when the file changes, or on request.

    A file that cannot be read, or that holds no symbol (an editor half-way through saving), changes nothing: the last
    good list goes on, and the trouble is logged once.

    Args:
        watchlist: As the settings read it.
    """

    def __init__(self, watchlist: Watchlist) -> None:
        self._file = watchlist.file
        self.symbols = watchlist.symbols
        self.symbol_set = frozenset(watchlist.symbols)
        self._seen = _stamp(self._file)
        self._reload = False
        self._trouble: str | None = None

    def request_reload(self) -> None:
        """Read the file at the next `refresh`, changed or not; what SIGHUP does."""
        self._reload = True

    def refresh(self) -> WatchlistChange | None:
        """Read the file again where it has changed; None where the symbols stay as they are. Cheap: one `stat`."""
        if self._file is None:
            return None
        stamp = _stamp(self._file)
        if stamp == self._seen and not self._reload:
            return None
        self._seen, self._reload = stamp, False
        try:
            fresh = read_watchlist_file(self._file)
        except ValueError as exc:
            if str(exc) != self._trouble:
                self._trouble = str(exc)
                log.warning("watchlist_unreadable", file=str(self._file), error=str(exc), kept=len(self.symbols))
            return None
        self._trouble = None
        for skipped in fresh.skipped:
            log.warning("watchlist_line_skipped", detail=skipped)
        fresh_set = frozenset(fresh.symbols)
        joined = tuple(symbol for symbol in fresh.symbols if symbol not in self.symbol_set)
        left = tuple(symbol for symbol in self.symbols if symbol not in fresh_set)
        self.symbols, self.symbol_set = fresh.symbols, fresh_set
        if not joined and not left:
            return None
        log.info("watchlist_changed", joined=list(joined[:20]), left=list(left[:20]), symbols=len(self.symbols))
        return WatchlistChange(joined, left)

    @contextmanager
    def reload_on_sighup(self) -> Iterator[None]:
        """Make SIGHUP read the file again while the context lasts; without a file, SIGHUP keeps its usual force."""
        installed = False
        previous = signal.getsignal(signal.SIGHUP)
        if self._file is not None:
            try:
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.request_reload)
                installed = True
            except (ValueError, RuntimeError, NotImplementedError):
                log.debug("sighup_unavailable", reason="not the main thread, or no signals on this platform")
        try:
            yield
        finally:
            if installed:
                asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
                # asyncio leaves the default, which ends the process: under nohup it was to be ignored.
                signal.signal(signal.SIGHUP, previous)


def current_symbols(watchlist: Watchlist) -> tuple[str, ...]:
    """The symbols of a watchlist as its file now has them; of one that cannot be read, those of the start."""
    if watchlist.file is None:
        return watchlist.symbols
    try:
        return read_watchlist_file(watchlist.file).symbols
    except ValueError:
        return watchlist.symbols


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
