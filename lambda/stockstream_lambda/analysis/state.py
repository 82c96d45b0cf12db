"""What is remembered of a symbol between two invocations: one compact blob beside the latest quote."""

from decimal import Decimal
from typing import Final

import msgspec

from stockstream_lambda.analysis.averages import Averages
from stockstream_lambda.analysis.candles import Candle
from stockstream_lambda.analysis.returns import Returns
from stockstream_lambda.analysis.volume import Volume

STATE_VERSION: Final = 1


class AlertMemory(msgspec.Struct, array_like=True):
    """What is remembered of one kind of alert: whether it is on, how severe, when it last fired."""

    active: bool = False
    severity: int = 0
    direction: str = ""
    fired_at: str = ""


class SymbolState(msgspec.Struct, array_like=True):
    """The fold of a symbol's quotes. A function of the quotes alone: of no clock, and of no boundary between batches.

    Attributes:
        version: Layout of this struct.
        revision: Number of records folded in; what a conditional write compares.
        last_timestamp: Event time of the latest quote; earlier ones are late.
        shard_id: Shard of the record folded in last.
        sequence_number: Its sequence number.
        subsequence_number: Its place in the aggregate.
        session: Local date of the session at its exchange.
        zone: Time zone of the exchange.
        last_price: Price of the last tick (stale facts aside).
        last_open: The open that came with it.
        last_previous_close: The previous close that came with it.
        split_ratio: Ratio of the split that is suspected, while the feed's previous close is of the old scale.
        split_old_close: That previous close.
        split_label: The last split ever suspected, as `4:1`.
        split_at: Event time at which it was.
        averages: Moving averages.
        returns: Return statistics.
        volume: Volume statistics.
        candles: Open candle per interval, in the order of `INTERVALS`.
        alerts: Memory per kind of alert.
    """

    version: int = STATE_VERSION
    revision: int = 0
    last_timestamp: str = ""
    shard_id: str = ""
    sequence_number: str = ""
    subsequence_number: int = 0
    session: str = ""
    zone: str = ""
    last_price: Decimal | None = None
    last_open: Decimal | None = None
    last_previous_close: Decimal | None = None
    split_ratio: Decimal | None = None
    split_old_close: Decimal | None = None
    split_label: str = ""
    split_at: str = ""
    averages: Averages = msgspec.field(default_factory=Averages)
    returns: Returns = msgspec.field(default_factory=Returns)
    volume: Volume = msgspec.field(default_factory=Volume)
    candles: list[Candle | None] = msgspec.field(default_factory=lambda: [None, None, None, None])
    alerts: dict[str, AlertMemory] = msgspec.field(default_factory=dict)


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(SymbolState)


def encode_state(state: SymbolState) -> bytes:
    return _encoder.encode(state)


def decode_state(data: bytes) -> SymbolState:
    """Decode a state; fields that a later version appended to the struct take their defaults.

    Raises:
        msgspec.DecodeError: not a state.
    """
    return _decoder.decode(data)
