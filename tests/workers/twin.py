"""The table of workers in memory, with the condition of the real one, and a time that a test moves."""

import asyncio
from datetime import UTC, datetime, timedelta

from stockstream.clock import Clock
from stockstream.workers.members import Row
from stockstream.workers.membership import Membership


class TableTwin:
    """Stands for `WorkersTable`; `is_away` makes it unreachable."""

    def __init__(self) -> None:
        self.items: dict[str, Row] = {}
        self.is_away = False

    async def beat(self, row: Row) -> None:
        self._reach()
        assert row.worker not in self.items or self.items[row.worker].beats < row.beats
        self.items[row.worker] = row

    async def rows(self) -> list[Row]:
        self._reach()
        return list(self.items.values())

    async def leave(self, worker: str) -> None:
        self._reach()
        self.items.pop(worker, None)

    def _reach(self) -> None:
        if self.is_away:
            raise OSError("no route to host")


class Fleet:
    """Memberships over one table; `pass_time` gives each its turns, four a heartbeat."""

    def __init__(self, heartbeat_seconds: float = 5.0) -> None:
        self.table = TableTwin()
        self.heartbeat_seconds = heartbeat_seconds
        self.seconds = 1000.0
        self.living: dict[str, Membership] = {}
        self.serving: dict[str, bool] = {}

    async def join(self, name: str, *, is_serving: bool = True, wall_clock_off: timedelta = timedelta()) -> Membership:
        self.serving[name] = is_serving

        async def sleep(seconds: float) -> None:
            await asyncio.sleep(0)
            self.seconds += seconds
            for other, membership in self.living.items():
                if other != name:
                    await membership.turn()

        membership = Membership(
            self.table,  # type: ignore[arg-type]
            name,
            place="",
            heartbeat_seconds=self.heartbeat_seconds,
            clock=Clock(lambda: self.seconds, lambda: datetime.now(UTC) + wall_clock_off, sleep),
            is_serving=lambda: self.serving[name],
        )
        await membership.join()
        self.living[name] = membership
        return membership

    async def pass_time(self, heartbeats: float) -> None:
        for _ in range(round(4 * heartbeats)):
            self.seconds += self.heartbeat_seconds / 4
            for membership in list(self.living.values()):
                await membership.turn()

    def sharing(self) -> dict[str, set[str]]:
        """Who shares, as each sees it."""
        return {name: set(membership.share.workers) for name, membership in self.living.items()}

    def all_share(self) -> bool:
        """Whether all who live share with one another and nobody else."""
        return all(found == set(self.living) for found in self.sharing().values())
