"""The watchlist of a running source: symbols join and leave without a restart."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
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
    good list goes on, and the trouble is logged once. Where several workers share the list, the symbols are this one's,
    as the sharing stands when they are asked for.

    Args:
        watchlist: As the settings read it.

    Attributes:
        listed: The whole list, of all workers.
    """

    def __init__(self, watchlist: Watchlist) -> None:
        self._file = watchlist.file
        self.listed = watchlist.symbols
        self._share = watchlist.share
        self._version = -1
        self._symbols: tuple[str, ...] = ()
        self._symbol_set: frozenset[str] = frozenset()
        self._follow_share()
        self._first_version = self._version
        self._told: tuple[str, ...] = self._symbols
        self._takes_sighup = watchlist.takes_sighup
        self._seen = stamp_of(self._file)
        self._reload = False
        self._trouble: str | None = None

    @property
    def symbols(self) -> tuple[str, ...]:
        """In the order of the list; the same object as long as they are the same."""
        self._follow_share()
        return self._symbols

    @property
    def symbol_set(self) -> frozenset[str]:
        """The same, for membership."""
        self._follow_share()
        return self._symbol_set

    @property
    def is_shared(self) -> bool:
        """Whether the symbols are a part of the list, which may be empty."""
        return self._share is not None

    def request_reload(self) -> None:
        """Read the file at the next `refresh`, changed or not; what SIGHUP does."""
        self._reload = True

    def refresh(self) -> WatchlistChange | None:
        """Read the file again where it has changed; None where the symbols stay as they are. Cheap: one `stat`."""
        self._read_again()
        before, now = self._told, self.symbols
        if now is before:
            return None
        self._told = now
        were = frozenset(before)
        joined = tuple(symbol for symbol in now if symbol not in were)
        left = tuple(symbol for symbol in before if symbol not in self._symbol_set)
        if not joined and not left:
            return None
        log.info("watchlist_changed", joined=list(joined[:20]), left=list(left[:20]), symbols=len(now))
        return WatchlistChange(joined, left)

    async def share_changes(self) -> AsyncIterator[None]:
        """Iterate over the moments at which this worker's share has become another; none ever, where it has all."""
        version = self._first_version
        while self._share is not None:
            version = await self._share.moved(version)
            yield
        await asyncio.Event().wait()

    def _read_again(self) -> None:
        if self._file is None:
            return
        stamp = stamp_of(self._file)
        if stamp == self._seen and not self._reload:
            return
        self._seen, self._reload = stamp, False
        try:
            fresh = read_watchlist_file(self._file)
        except ValueError as exc:
            if str(exc) != self._trouble:
                self._trouble = str(exc)
                log.warning("watchlist_unreadable", file=str(self._file), error=str(exc), kept=len(self.listed))
            return
        self._trouble = None
        for skipped in fresh.skipped:
            log.warning("watchlist_line_skipped", detail=skipped)
        self.listed, self._version = fresh.symbols, -1

    def _follow_share(self) -> None:
        version = 0 if self._share is None else self._share.version
        if version == self._version:
            return
        self._version = version
        self._symbols = self.listed if self._share is None else self._share.of(self.listed)
        self._symbol_set = frozenset(self._symbols)

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


def current_symbols(watchlist: Watchlist) -> tuple[str, ...]:
    """The symbols of a watchlist, of all workers, as its file now has them; where that fails, as at start."""
    if watchlist.file is not None:
        with suppress(ValueError):
            return read_watchlist_file(watchlist.file).symbols
    return watchlist.symbols


def stamp_of(path: Path | None) -> tuple[int, int, int] | None:
    """What is another where a watchlist's file is; None of what is not there."""
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
