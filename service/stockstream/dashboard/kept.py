"""Answers that several ask for at once, kept for some seconds."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Kept:
    """An answer that several ask for at once, kept for some seconds.

    Attributes:
        seconds: How long.
        most: Answers that are kept at once; the oldest goes first.
    """

    seconds: float
    most: int = 5_000
    _made: dict[Any, tuple[float, Any]] = field(default_factory=dict)
    _locks: dict[Any, asyncio.Lock] = field(default_factory=dict)

    async def get(self, key: Any, make: Callable[[], Awaitable[Any]]) -> Any:
        async with self._locks.setdefault(key, asyncio.Lock()):
            now = asyncio.get_running_loop().time()
            found = self._made.get(key)
            if found is None or now - found[0] > self.seconds:
                self._forget(now)
                found = self._made[key] = (now, await make())
            return found[1]

    def _forget(self, now: float) -> None:
        for key in [key for key, (at, _) in self._made.items() if now - at > self.seconds]:
            del self._made[key]
        while len(self._made) >= self.most:
            del self._made[next(iter(self._made))]
        # Of what could not be made, and of what went before its time.
        for key in [key for key, lock in self._locks.items() if key not in self._made and not lock.locked()]:
            del self._locks[key]
