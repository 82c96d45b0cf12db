"""The watchlist of a running source: symbols join and leave without a restart."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from stockstream.errors import InputError
from stockstream.settings import Watchlist, read_watchlist_file
from stockstream.source_kinds import DEMO_WATCHLIST, SourceKind

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
        self._takes_sighup = watchlist.takes_sighup
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
        """Make SIGHUP read the file again while the context lasts; else it keeps its usual force."""
        installed = False
        previous = signal.getsignal(signal.SIGHUP)
        if self._file is not None and self._takes_sighup:
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


def users_watchlist_file(state_dir: Path, kind: SourceKind) -> Path:
    """Of local mode, where nobody names symbols; a source whose symbols are its own has a list of its own."""
    has_own = kind.own_symbols not in {(), DEMO_WATCHLIST}
    return state_dir / (f"watchlist-{kind.name}.txt" if has_own else "watchlist.txt")


def usual_symbols(kind: SourceKind) -> tuple[str, ...]:
    """What local mode follows before the user has a list."""
    return kind.own_symbols or DEMO_WATCHLIST


def users_watchlist(state_dir: Path, kind: SourceKind) -> Watchlist:
    """The user's list (`stockstream watch`), or the usual symbols until there is one: a run follows it from then on.

    Raises:
        InputError: it is there, and holds no symbol or cannot be read.
    """
    path = users_watchlist_file(state_dir, kind)
    try:
        return read_watchlist_file(path) if path.exists() else Watchlist(usual_symbols(kind), path)
    except ValueError as exc:
        raise InputError(f"{exc}. Remedy: mend it, or delete it") from exc


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
