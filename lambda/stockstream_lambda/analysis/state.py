"""What is remembered of a symbol: the fold of its quotes. It lives in the container and in the checkpoint."""

from decimal import Decimal

import msgspec

from stockstream_lambda.alerts.detect import Memories
from stockstream_lambda.analysis.averages import Averages
from stockstream_lambda.analysis.candles import Candles
from stockstream_lambda.analysis.returns import Returns
from stockstream_lambda.analysis.volume import Volume
from stockstream_wire.trading_day import DayRule, day_rule


class SymbolState(msgspec.Struct, array_like=True):
    """The fold of a symbol's quotes: a function of the log alone, of no clock, and of no boundary between batches.

    Fields are only ever added, and at the end, with a default.

    Attributes:
        last_timestamp: Event time of the latest quote; earlier ones are late.
        session: Date of the last session that a quote of regular hours has opened.
        zone: Time zone of the exchange.
        last_price: Price of the last tick of regular hours (stale facts aside).
        last_open: The open that came with it.
        last_previous_close: The previous close that came with it.
        split_ratio: Ratio of the split that is suspected, while the feed's previous close is of the old scale.
        split_old_close: That previous close.
        split_label: The last split ever suspected, as `4:1`.
        averages: Moving averages.
        returns: Return statistics.
        volume: Volume statistics.
        candles: Open candles, and closed minutes of the open block.
        alerts: Memory per kind of alert.
        day: Date of the session of the newest quote: before the opening it is ahead of `session`.
        kind: Kind of instrument.
        is_guessed: It was said that the session is a guess.
    """

    last_timestamp: str = ""
    session: str = ""
    zone: str = ""
    last_price: Decimal | None = None
    last_open: Decimal | None = None
    last_previous_close: Decimal | None = None
    split_ratio: Decimal | None = None
    split_old_close: Decimal | None = None
    split_label: str = ""
    averages: Averages = msgspec.field(default_factory=Averages)
    returns: Returns = msgspec.field(default_factory=Returns)
    volume: Volume = msgspec.field(default_factory=Volume)
    candles: Candles = msgspec.field(default_factory=Candles)
    alerts: Memories = msgspec.field(default_factory=dict)
    day: str = ""
    kind: str = "equity"
    is_guessed: bool = False

    @property
    def day_rule(self) -> DayRule:
        """How the instrument counts its days."""
        return day_rule(self.kind, self.zone)


# By symbol.
States = dict[str, SymbolState]
