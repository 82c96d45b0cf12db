"""What the live view shows, as one immutable snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum


class StageStatus(Enum):
    """How a stage is doing; the view pairs each with a sign, so that colour is never the only difference."""

    OK = "ok"
    WAITING = "waiting"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SymbolRow:
    """One symbol.

    Attributes:
        symbol: Ticker.
        price: Last price.
        previous_close: Close of the previous session.
        volume: As the quote has it; None where the feed gave none.
        prices: Recent prices, oldest first, for the sparkline.
        is_anomaly: The change is past the threshold of the published rule.
        is_stale: The feed is silent in an open session.
    """

    symbol: str
    price: Decimal
    previous_close: Decimal
    volume: int | None
    prices: Sequence[Decimal] = ()
    is_anomaly: bool = False
    is_stale: bool = False

    @property
    def change(self) -> Decimal:
        return self.price - self.previous_close

    @property
    def change_percent(self) -> Decimal | None:
        """None where the previous close is not above 0: a share of it would mean nothing."""
        return self.change / self.previous_close * 100 if self.previous_close > 0 else None


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage of the pipeline, from the source to SNS.

    Attributes:
        name: source, gate, outbox, kinesis, consumer, DynamoDB, S3, SNS.
        count: Quotes (or alerts) that the stage is done with since the start.
        lag_seconds: Age of what waits here, or how far it is behind; None where that means nothing.
        note: A few words: what waits, what was refused, why it stands still.
        status: How it is doing.
        rate_per_second: Filled in by `LiveView` from successive counts.
    """

    name: str
    count: int
    lag_seconds: float | None = None
    note: str = ""
    status: StageStatus = StageStatus.OK
    rate_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert as it was delivered.

    Attributes:
        time: Clock time to show, `HH:MM:SS`.
        symbol: Ticker.
        text: One line for a person.
        is_severe: Draw it more strongly.
    """

    time: str
    symbol: str
    text: str
    is_severe: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a person should know.

    Attributes:
        text: One sentence.
        status: How bad it is.
    """

    text: str
    status: StageStatus = StageStatus.WARNING


@dataclass(frozen=True, slots=True)
class ViewState:
    """Everything on the screen.

    Attributes:
        source: Label of the source: yahoo, replay, simulated, …
        is_market_data: False where the quotes are not the market's; the view then says so in its second line.
        source_detail: Files and speed of a replay, or why the market is simulated; may be empty.
        endpoint_url: Where AWS is.
        uptime_seconds: Since the start.
        page_url: Where the page is.
        look_command: What shows the newest quotes, typed in another terminal.
        phase: What is going on: starting, running, draining, checking.
        is_stopping: A stop was asked for; the next one ends at once.
        symbols: In the order of the watchlist.
        stages: In the order of the flow.
        alerts: Newest first.
        alerts_total: Of this run.
        notices: What a person should know, the most urgent first.
    """

    source: str
    is_market_data: bool
    endpoint_url: str
    uptime_seconds: float
    page_url: str = ""
    look_command: str = ""
    phase: str = "running"
    is_stopping: bool = False
    source_detail: str = ""
    symbols: Sequence[SymbolRow] = ()
    stages: Sequence[StageRow] = ()
    alerts: Sequence[AlertRow] = ()
    alerts_total: int = 0
    notices: Sequence[Notice] = ()
