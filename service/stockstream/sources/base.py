"""The interface of every source of quotes."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from stockstream_wire import Quote


@dataclass(frozen=True, slots=True)
class Rejection:
    """Something that a source was given and could not turn into a quote.

    Attributes:
        subject: The symbol, or `file:line`.
        reason: Stable snake_case name, the same in log, metric and docs.
        detail: The value and the remedy, for a person.
    """

    subject: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SourceBatch:
    """What one poll, one burst of ticks, or one step of a replay gave.

    Attributes:
        quotes: Valid quotes, in order of event time per symbol.
        rejected: What was reported and skipped.
        failures: Calls to the source that failed in this step (an open breaker counts none).
        failure: Why the last of them did, for a person; may be empty.
    """

    quotes: list[Quote]
    rejected: list[Rejection] = field(default_factory=list)
    failures: int = 0
    failure: str = ""

    @property
    def is_answer(self) -> bool:
        """Whether the source answered: not where all it says is that calls failed, or that quotes are stale."""
        if self.quotes:
            return any(not quote.stale for quote in self.quotes)
        return self.failures == 0


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Whether a source can be reached now.

    Attributes:
        reachable: It answered.
        detail: The answer, or what stood in its way.
        remedy: What to do about that; empty where it answered.
    """

    reachable: bool
    detail: str
    remedy: str = ""


class Source(Protocol):
    """A source of quotes that owns its pace: iterating waits until there is something to say.

    `label` is its name in the catalogue, which its quotes carry in `source`; `is_market_data` is False where
    the quotes are not the market's, and every face of the program then says so. `failure` says, once the source is
    through, what it was asked for and could not give; the run then ends with exit code 1, after all else was delivered.
    """

    label: str
    is_market_data: bool

    @property
    def failure(self) -> str | None: ...

    def batches(self) -> AsyncIterator[SourceBatch]:
        """Iterate over batches; ends when the source is through (replay) or closed.

        Raises:
            SourceError: the source can never deliver (all symbols unknown, a replay file without a needed column).
        """
        ...

    async def aclose(self) -> None:
        """Release threads, sockets and files. Safe to call twice."""
        ...
