"""A worker among others: says that it lives, looks who else does, and knows which symbols are its own.

Whatever the table does, the symbols known to be ours are followed: without it the last membership goes on.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import structlog
from botocore.exceptions import ClientError

from stockstream.clock import Clock
from stockstream.errors import AwsSetupError
from stockstream.workers.members import (
    LOOKS_A_HEARTBEAT,
    SETTLE_HEARTBEATS,
    Observation,
    Row,
    observe,
    who_is_alive,
    who_shares,
)
from stockstream.workers.share import share_of
from stockstream.workers.table import WorkersTable
from stockstream_wire import format_timestamp
from stockstream_wire.aws.error_codes import ErrorKind, kind_of

# A stop has better things to wait for.
_LEAVE_SECONDS: Final = 2.0

log = structlog.get_logger("stockstream.workers")


class WorkerShare:
    """Which symbols are ours, as the membership is now."""

    def __init__(self, me: str) -> None:
        self._me = me
        self.workers = frozenset({me})
        self.version = 0
        self.followed = 0
        self.listed = 0
        self._moved = asyncio.Event()

    def of(self, symbols: Sequence[str]) -> tuple[str, ...]:
        """Those of the symbols that this worker follows."""
        own = share_of(symbols, self._me, self.workers)
        self.followed, self.listed = len(own), len(symbols)
        return own

    async def moved(self, since: int) -> int:
        """Wait until the share is another than it was at the version `since`; returns the version now."""
        while self.version == since:
            await self._moved.wait()
        return self.version

    def set_workers(self, workers: frozenset[str]) -> bool:
        """Share with these from now on; whether they are others than before."""
        if workers == self.workers:
            return False
        self.workers = workers
        self.version += 1
        self._moved.set()
        self._moved = asyncio.Event()
        return True


class Membership:
    """One worker's membership.

    Args:
        table: Where the workers of the deployment say that they live.
        me: Our id, new with each start.
        place: Where we run, for people.
        heartbeat_seconds: Between two heartbeats; one for all workers of a deployment.
        clock: Time.
        is_serving: Our source answers.
    """

    def __init__(
        self,
        table: WorkersTable,
        me: str,
        *,
        place: str,
        heartbeat_seconds: float,
        clock: Clock,
        is_serving: Callable[[], bool],
    ) -> None:
        self.me = me
        self.share = WorkerShare(me)
        self._table = table
        self._heartbeat_seconds = heartbeat_seconds
        self._look_seconds = heartbeat_seconds / LOOKS_A_HEARTBEAT
        self._clock = clock
        self._is_serving = is_serving
        self._said = Row(me, 0, is_serving=False, place=place, heartbeat_seconds=heartbeat_seconds)
        self._beat_at = float("-inf")
        self._others: dict[str, Observation] = {}
        self._looked_at: float | None = None
        self._has_looked = False
        self._away_since: float | None = None
        self._writing = asyncio.Lock()
        self._is_leaving = False
        self._has_left = False

    @property
    def away_seconds(self) -> float:
        """For how long the table has not answered; 0 where it does."""
        return 0.0 if self._away_since is None else self._clock.monotonic() - self._away_since

    @property
    def alive(self) -> int:
        """Workers alive, this one included."""
        return 1 + len(who_is_alive(self._others, self._heartbeat_seconds))

    def status(self) -> Mapping[str, Any]:
        """How it stands, for the health document."""
        return {
            "worker": self.me,
            "alive": self.alive,
            "sharing": sorted(self.share.workers),
            "symbols_followed": self.share.followed,
            "symbols_listed": self.share.listed,
            "table_away_seconds": round(self.away_seconds, 1),
        }

    async def join(self) -> None:
        """Enter the table, and look until it is known who of those in it is alive: at once where there is nobody.

        Raises:
            AwsSetupError: there is no such table, or it may not be used.
        """
        try:
            await self._beat()
            await self._look()
        except ClientError as exc:
            code = str(exc.response.get("Error", {}).get("Code", ""))
            if code == "ResourceNotFoundException" or kind_of(code, 0) is ErrorKind.ACCESS:
                raise AwsSetupError(
                    f"STOCKSTREAM_WORKERS=auto needs the table of workers: {exc}. Remedy: terraform apply with "
                    "producer_count, `stockstream provision` on an emulator, or STOCKSTREAM_WORKERS_TABLE"
                ) from exc
            self._note_trouble(exc)
        except Exception as exc:  # noqa: BLE001 - as in `turn`
            self._note_trouble(exc)
        until = self._clock.monotonic() + SETTLE_HEARTBEATS * self._heartbeat_seconds
        while any(not seen.is_proven for seen in self._others.values()) and self._clock.monotonic() < until:
            await self._clock.sleep(self._look_seconds)
            await self.turn()
        log.info("worker_joined", worker=self.me, alive=self.alive, place=self._said.place)

    async def run(self) -> None:
        """Beat and look until cancelled."""
        while not self._is_leaving:
            await self._clock.sleep(self._look_seconds)
            await self.turn()

    async def leave(self) -> None:
        """Leave the table: the others take our symbols at their next look. Safe to call twice."""
        self._is_leaving = True
        try:
            # A heartbeat under way would put the item back.
            async with asyncio.timeout(_LEAVE_SECONDS), self._writing:
                if self._has_left:
                    return
                await self._table.leave(self.me)
                self._has_left = True
        except Exception as exc:  # noqa: BLE001 - the others will find out by our silence
            log.warning("worker_not_removed", worker=self.me, error=f"{type(exc).__name__}: {exc}")
        else:
            log.info("worker_left", worker=self.me)

    async def turn(self) -> None:
        """One look, and a heartbeat where it is time or there is news. No failure of the table ends it."""
        try:
            is_due = self._clock.monotonic() - self._beat_at >= self._heartbeat_seconds - self._look_seconds / 2
            if is_due or self._is_serving() != self._said.is_serving:
                await self._beat()
            await self._look()
        except Exception as exc:  # noqa: BLE001 - a worker polls on, whatever the table or its client may do
            self._note_trouble(exc)
            return
        if self._away_since is not None:
            log.info("workers_table_back", away_seconds=round(self.away_seconds, 1))
            self._away_since = None

    async def _beat(self) -> None:
        async with self._writing:
            if not self._is_leaving:
                await self._beat_once()

    async def _beat_once(self) -> None:
        self._said = replace(
            self._said,
            beats=self._said.beats + 1,
            is_serving=self._is_serving(),
            symbols=self.share.followed,
            beat_at=format_timestamp(self._clock.now()),
        )
        await self._table.beat(self._said)
        self._beat_at = self._clock.monotonic()

    async def _look(self) -> None:
        rows = [row for row in await self._table.rows() if row.worker != self.me]
        now_seconds = self._clock.monotonic()
        watched_seconds = 0.0 if self._looked_at is None else now_seconds - self._looked_at
        # A process that was stopped for a while has not looked for as long.
        watched_seconds = min(watched_seconds, 2 * self._look_seconds)
        self._others = observe(self._others, rows, watched_seconds, is_first=not self._has_looked)
        self._looked_at, self._has_looked = now_seconds, True
        before = self.share.workers
        sharing = who_shares(self.me, self._others, self._heartbeat_seconds, is_serving=self._said.is_serving)
        if self.share.set_workers(sharing):
            log.info(
                "workers_changed",
                joined=sorted(sharing - before),
                left=sorted(before - sharing),
                sharing=len(sharing),
                alive=self.alive,
            )

    def _note_trouble(self, exc: Exception) -> None:
        self._looked_at = None
        if self._away_since is None:
            self._away_since = self._clock.monotonic()
            log.warning(
                "workers_table_away",
                error=f"{type(exc).__name__}: {str(exc)[:300]}",
                meaning="the symbols are shared as they were; it is tried again",
                sharing=len(self.share.workers),
            )


async def ended(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
