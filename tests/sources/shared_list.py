"""A share of a watchlist that a test moves."""

import asyncio
from collections.abc import Sequence

from stockstream.settings import Watchlist
from stockstream.sources.watchlist import WatchlistFollower


class MovedByHand:
    """What the membership is to a source: which symbols are ours, and when that changes."""

    def __init__(self, *own: str) -> None:
        self.own = set(own)
        self.version = 0
        self._moved = asyncio.Event()

    def of(self, symbols: Sequence[str]) -> tuple[str, ...]:
        return tuple(symbol for symbol in symbols if symbol in self.own)

    async def moved(self, since: int) -> int:
        while self.version == since:
            await self._moved.wait()
        return self.version

    def move(self, *own: str) -> None:
        self.own = set(own)
        self.version += 1
        self._moved.set()
        self._moved = asyncio.Event()


def follower(share: MovedByHand, *listed: str) -> WatchlistFollower:
    return WatchlistFollower(Watchlist(listed, share=share))
