"""How fast each stage went in the last hour, as counts looked at every fifteen seconds tell. Kept in memory alone."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

SAMPLE_SECONDS: Final = 15.0
_KEPT: Final = round(3600 / SAMPLE_SECONDS) + 1


@dataclass
class StageHistory:
    """Counts of the stages as they grew.

    Attributes:
        seconds: Pause between two looks.
    """

    seconds: float = SAMPLE_SECONDS
    _looks: deque[tuple[datetime, Mapping[str, int]]] = field(default_factory=lambda: deque(maxlen=_KEPT))

    @asynccontextmanager
    async def sampling(self, counts: Callable[[], Mapping[str, int]]) -> AsyncIterator[None]:
        """Look at counts that only grow, for as long as the context lasts."""

        async def look() -> None:
            while True:
                self.note(datetime.now(UTC), counts())
                await asyncio.sleep(self.seconds)

        task = asyncio.create_task(look(), name="dashboard-history")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def note(self, now: datetime, counts: Mapping[str, int]) -> None:
        self._looks.append((now, dict(counts)))

    def rates(self) -> Mapping[str, Any]:
        """Since when there is history, and the rate a second between each two looks, by stage, oldest first."""
        looks = list(self._looks)
        names = looks[-1][1] if looks else {}
        pairs = list(pairwise(looks))
        rates = {
            name: [
                round(max(0, after.get(name, 0) - before.get(name, 0)) / (later - earlier).total_seconds(), 3)
                for (earlier, before), (later, after) in pairs
                if later > earlier
            ]
            for name in names
        }
        return {"since": looks[0][0] if looks else None, "seconds": self.seconds, "rates": rates}
