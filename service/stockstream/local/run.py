"""One run of local mode, as those who show it see it."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Final

from stockstream.eventsource import EventSourceRunner
from stockstream.local.alerts_inbox import AlertsInbox
from stockstream.local.archive_count import ArchiveCount
from stockstream.local.backlog import Backlog, BacklogMeter
from stockstream.local.consumer_log import ConsumerLog
from stockstream.local.emulator import Emulator
from stockstream.local.followed import Followed
from stockstream.local.tally import RunTally
from stockstream.pipeline.service import Service
from stockstream.settings import Settings

_LOOK_SECONDS: Final = 0.5


@dataclass(slots=True)
class LocalRun:
    """One run, as presenters see it.

    Attributes:
        settings: Settings of the service.
        emulator: The emulator.
        service: The service.
        runner: The event-source runner.
        inbox: Alerts as SNS delivers them.
        consumer_log: The handler's lines and metrics.
        tally: What went in.
        archive: What S3 has of it.
        stop: A stop was asked for.
        followed: The symbols that it follows now.
        look_command: What shows the newest quotes, typed elsewhere.
        simulated_because: Why the market is a simulated one.
        page_url: Where the page is.
        started_at: Monotonic seconds.
        meter: How far the consumer is behind.
    """

    settings: Settings
    emulator: Emulator
    service: Service
    runner: EventSourceRunner
    inbox: AlertsInbox
    consumer_log: ConsumerLog
    tally: RunTally
    archive: ArchiveCount
    stop: asyncio.Event
    followed: Followed
    look_command: str
    simulated_because: str = ""
    page_url: str = ""
    started_at: float = field(default_factory=time.monotonic)
    meter: BacklogMeter = field(default_factory=BacklogMeter)
    _phase: str = "running"

    @property
    def phase(self) -> str:
        """What is going on: running, draining, checking, done."""
        return "draining" if self._phase == "running" and self.stop.is_set() else self._phase

    @phase.setter
    def phase(self, phase: str) -> None:
        self._phase = phase

    @property
    def backlog(self) -> Backlog:
        """What waits for the consumer."""
        return self.meter.backlog

    async def look(self) -> None:
        """Measure the backlog until cancelled."""
        while True:
            sender = self.service.sender_stats
            if sender is not None:
                self.meter.note(
                    time.monotonic(), accepted=sender.accepted, sent=sender.sent, done=self.consumer_log.quotes_done
                )
            await asyncio.sleep(_LOOK_SECONDS)
