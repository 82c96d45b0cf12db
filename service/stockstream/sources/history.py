"""What history is: minute bars of a symbol, with the close before each session, and who gives them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Protocol

from stockstream.sources.base import Rejection

MINUTE_MS: Final = 60_000
# The session that holds the start began at most a day before it.
SESSION_MAX: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class MinuteBar:
    """One minute in which something traded.

    Attributes:
        start_ms: Start of the minute, milliseconds since 1970.
        session: Date of the trading session, `YYYY-MM-DD`.
        open: First price.
        high: Highest.
        low: Lowest.
        close: Last.
        volume: Shares traded in the minute.
    """

    start_ms: int
    session: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int


@dataclass(frozen=True, slots=True)
class SymbolHistory:
    """History of one symbol.

    Attributes:
        symbol: Ticker.
        bars: In order of time: all finished minutes of the sessions that the range touches.
        previous_closes: Session to the close of the session before it.
        known_until_ms: Bars are known up to here, milliseconds since 1970.
        running_session: The session that is not over yet, or None.
        currency: Of the prices.
        exchange: As the provider names it.
        kind: Kind of instrument, where it is no share.
        rejected: Bars that are no bars, by name.
    """

    symbol: str
    bars: Sequence[MinuteBar]
    previous_closes: Mapping[str, Decimal]
    known_until_ms: int
    running_session: str | None = None
    currency: str | None = None
    exchange: str | None = None
    kind: str | None = None
    rejected: Sequence[Rejection] = ()


class HistoryProvider(Protocol):
    """Where minute bars come from.

    `label` names it for a person; it keeps minutes for `keeps_days` days.
    """

    label: str
    keeps_days: int

    async def history(self, symbol: str, start: datetime, end: datetime) -> SymbolHistory:
        """All finished bars of the sessions that the range from `start` to `end` touches.

        Raises:
            SourceUnavailableError: try again later.
            SourceError: there is no such history.
        """
        ...

    async def aclose(self) -> None: ...


def oldest_start(now: datetime, keeps_days: int) -> datetime:
    """The earliest moment that can be filled: what is kept, less the session that must be there from its start."""
    return now - timedelta(days=keeps_days) + SESSION_MAX + timedelta(minutes=5)
