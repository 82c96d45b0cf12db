"""What is remembered of a symbol: the fold of its quotes. It lives in the container and in the checkpoint."""

from decimal import Decimal

import msgspec

from stockstream_lambda.alerts.detect import Memories
from stockstream_lambda.analysis.averages import Averages
from stockstream_lambda.analysis.candles import Candles
from stockstream_lambda.analysis.returns import Returns
from stockstream_lambda.analysis.volume import Volume


class SymbolState(msgspec.Struct, array_like=True):
    """The fold of a symbol's quotes: a function of the log alone, of no clock, and of no boundary between batches.

    Fields are only ever added, and at the end, with a default.

    Attributes:
        last_timestamp: Event time of the latest quote; earlier ones are late.
        session: Local date of the session at its exchange.
        zone: Time zone of the exchange.
        last_price: Price of the last tick (stale facts aside).
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


# By symbol.
States = dict[str, SymbolState]
