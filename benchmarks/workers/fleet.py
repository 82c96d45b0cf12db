"""Workers as real processes: `stockstream run`, one disk, one emulator; started, asked, killed, stopped."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.workers.polls import Holder

PATIENCE_SECONDS = 120.0


@dataclass
class Worker:
    """One process and its log."""

    name: str
    process: asyncio.subprocess.Process
    log_path: Path
    started_at: float
    ended_at: float = float("inf")

    def events(self, name: str) -> list[dict[str, Any]]:
        """Lines of the log that tell of an event."""
        lines = [json.loads(line) for line in self.log_path.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    @property
    def sharing(self) -> int:
        """How many share the watchlist, as it said last."""
        changes = self.events("workers_changed")
        return int(changes[-1]["sharing"]) if changes else 1

    @property
    def holder(self) -> Holder:
        """When it had which of the workers' folders."""
        folder = Path(self.events("worker_joined")[0]["place"].split()[-1]).name
        return Holder(folder, self.started_at, self.ended_at, self.name)

    async def kill(self) -> float:
        """End it as a power cut does; returns when."""
        self.process.send_signal(signal.SIGKILL)
        at = time.time()
        await self.process.wait()
        self.ended_at = time.time()
        return at

    async def stop(self) -> int:
        """End it as ECS does; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = await self.process.wait()
        self.ended_at = time.time()
        return code


@dataclass
class Fleet:
    """The workers of one deployment.

    Attributes:
        folder: For logs and the workers' disk.
        environment: Of every process: the emulator, the watchlist, the heartbeat.
    """

    folder: Path
    environment: Mapping[str, str]
    workers: list[Worker] = field(default_factory=list)
    _started: int = 0

    @property
    def ledger(self) -> Path:
        """The folder of the ledgers."""
        return self.folder / "state" / "ledger"

    async def start(self) -> Worker:
        """Start one."""
        self._started += 1
        log_path = self.folder / f"worker-{self._started}.log"
        started_at = time.time()
        worker = Worker(str(self._started), await self.command("run", log_path=log_path), log_path, started_at)
        self.workers.append(worker)
        return worker

    async def command(self, *arguments: str, log_path: Path) -> asyncio.subprocess.Process:
        """Start `stockstream` with the fleet's environment."""
        with log_path.open("wb") as log_file:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", "stockstream", *arguments,
                env={**os.environ, **self.environment}, stdout=log_file, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip

    async def until_sharing(self, workers: Sequence[Worker]) -> None:
        """Wait until all of these share with one another."""
        await until(lambda: all(worker.sharing == len(workers) for worker in workers), "the workers share the list")

    async def end(self) -> None:
        """Stop all that run."""
        await asyncio.gather(*(worker.stop() for worker in self.workers if worker.process.returncode is None))


async def until(is_so: Callable[[], bool], what: str) -> None:
    """Wait for something.

    Raises:
        TimeoutError: it did not come.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"it was not seen within {PATIENCE_SECONDS:.0f} s that {what}")
        await asyncio.sleep(0.1)
