"""The symbols that a run follows now: what was taken off the list leaves the screen."""

from stockstream.settings import Watchlist
from stockstream.sources.watchlist import current_symbols, stamp_of


class Followed:
    """Reads the watchlist's file again when it has changed.

    Args:
        watchlist: As the run began with it; None where the source has whatever it has: a replay.
    """

    def __init__(self, watchlist: Watchlist | None) -> None:
        self._watchlist = watchlist
        self._stamp: tuple[int, int, int] | None = None
        self._symbols: frozenset[str] | None = None

    def symbols(self) -> frozenset[str] | None:
        """The symbols, or None where nothing says which; cheap: one `stat`."""
        if self._watchlist is None:
            return None
        stamp = stamp_of(self._watchlist.file)
        if self._symbols is None or stamp != self._stamp:
            self._symbols, self._stamp = frozenset(current_symbols(self._watchlist)), stamp
        return self._symbols
