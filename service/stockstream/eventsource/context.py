"""What all shards of a runner share."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from stockstream.clock import Clock
from stockstream.eventsource.config import EventSourceConfig
from stockstream.eventsource.destinations import FailureDestination
from stockstream.eventsource.invokers.base import Invoker
from stockstream.eventsource.reader import KinesisReader

# A call to AWS that failed is tried again no sooner than this, and no later than that (full jitter between).
_BACKOFF_BASE_SECONDS: Final = 0.2
_BACKOFF_CAP_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """The parts and settings of a runner.

    Attributes:
        next_read_number: Numbers the reads of the runner, in the order in which they begin.
        check_identity: Raises StreamRecreatedError where the stream is another one than the checkpoints speak of.
        changed: Wakes whoever waits for the runner's state.
    """

    config: EventSourceConfig
    reader: KinesisReader
    invoker: Invoker
    destination: FailureDestination | None
    clock: Clock
    random: Callable[[], float]
    make_request_id: Callable[[], str]
    next_read_number: Callable[[], int]
    check_identity: Callable[[], Awaitable[None]]
    changed: Callable[[], None]

    async def pause(self, tries: int) -> None:
        """Wait before a failed call to AWS is tried again."""
        ceiling = min(_BACKOFF_CAP_SECONDS, _BACKOFF_BASE_SECONDS * 2 ** min(tries, 10))
        await self.clock.sleep(_BACKOFF_BASE_SECONDS + self.random() * ceiling)
