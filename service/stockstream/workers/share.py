"""Whose symbol is it: by rendezvous hashing a worker who comes or goes moves its own symbols and no other. Pure."""

from collections.abc import Collection, Iterable
from hashlib import blake2b


def owner_of(symbol: str, workers: Collection[str]) -> str:
    """The worker who follows a symbol: the one whose hash with it is the highest (Thaler and Ravishankar, 1998).

    Args:
        symbol: As the watchlist spells it.
        workers: Ids of those who share the watchlist, at least one.
    """
    return max(workers, key=lambda worker: (_weight(symbol, worker), worker))


def share_of(symbols: Iterable[str], me: str, workers: Collection[str]) -> tuple[str, ...]:
    """The symbols that one of the workers follows, in the watchlist's order."""
    return tuple(symbol for symbol in symbols if owner_of(symbol, workers) == me)


def _weight(symbol: str, worker: str) -> bytes:
    return blake2b(f"{worker}|{symbol}".encode(), digest_size=8).digest()
