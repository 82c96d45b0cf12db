"""The moment that an audit is of: what was accepted by then must be there, and is given time to arrive."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from stockstream.audit.ledger_reader import LedgerCut
from stockstream.reading import Tables

# A quote is through in seconds: outbox, a batch window of 5 s at most times, the consumer. What makes no step for so
# long does not come by waiting a little more.
WAIT_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.5
# A day that the service has not written for so long has nothing in flight that a wait would bring.
_QUIET_SECONDS: Final = 600.0
# A table that was emptied would be asked for each symbol again and again.
_ASKED_MAX: Final = 5000


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the pipeline may take to pass the moment.

    Attributes:
        wait_seconds: Longest time without any step.
        now_seconds: Wall clock.
    """

    wait_seconds: float = WAIT_SECONDS
    now_seconds: Callable[[], float] = time.time

    async def until_arrived(self, tables: Tables, cut: LedgerCut, days: Sequence[str]) -> None:
        """Wait until the last quote of each symbol that had been accepted is stored, or nothing moves any more.

        A symbol's quotes are stored in order, so the last one stands for those before it.
        """
        recent = [
            day
            for day in days
            if day in cut.written_at and self.now_seconds() - cut.written_at[day] < _QUIET_SECONDS + self.wait_seconds
        ]
        waiting: set[tuple[str, str]] = set()
        for day in recent:
            ledger = await asyncio.to_thread(cut.read, day)
            waiting |= ledger.last_accepted() if ledger is not None else set()
        since = time.monotonic()
        while waiting:
            asked = set(sorted(waiting)[:_ASKED_MAX])
            arrived = await tables.stored_among(asked)
            if arrived:
                waiting -= arrived
                since = time.monotonic()
            elif time.monotonic() - since > self.wait_seconds:
                return
            else:
                await asyncio.sleep(_POLL_SECONDS)
