"""A symbol's item: the latest quote for readers, the state for us, and the redo log while a commit is not done."""

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any, Final

from stockstream_lambda.analysis.candles import INTERVALS
from stockstream_lambda.analysis.fold import Segment
from stockstream_lambda.analysis.state import SymbolState, decode_state, encode_state
from stockstream_lambda.archive import archive_object
from stockstream_lambda.aws.dynamodb import TransactionWrite
from stockstream_lambda.config import Config
from stockstream_lambda.items import attributes_without, expires_attribute
from stockstream_lambda.redo import Redo, decode_redo, encode_redo

# Attributes of ours beside the latest quote's.
_OWN: Final = frozenset(
    {
        "revision",
        "session",
        "shard_id",
        "sequence_number",
        "subsequence_number",
        "split_label",
        "split_at",
        "state",
        "redo",
    }
)
_IF_NEW: Final = b',"ConditionExpression":"attribute_not_exists(#s)","ExpressionAttributeNames":{"#s":"symbol"}'
_IF_REVISION: Final = (
    b',"ConditionExpression":"#r = :r","ExpressionAttributeNames":{"#r":"revision"},'
    b'"ExpressionAttributeValues":{":r":{"N":"%d"}}'
)


@dataclass(slots=True)
class SymbolView:
    """One symbol as this invocation knows it.

    Attributes:
        symbol: Ticker.
        state: Its state; the fold moves it.
        latest_attributes: Attributes of its latest quote; empty before the first.
        redo: What an unfinished commit still owes; None where nothing.
    """

    symbol: str
    state: SymbolState
    latest_attributes: str = ""
    redo: Redo | None = None


@dataclass(slots=True)
class Commit:
    """One symbol's conditional commit, with the redo log that follows it."""

    view: SymbolView
    segment: Segment
    redo: Redo
    writes: list[TransactionWrite]
    size_bytes: int


def view_of(symbol: str, item: dict[str, dict[str, Any]] | None) -> SymbolView:
    """Read a symbol's item; None is a symbol never seen."""
    if item is None:
        return SymbolView(symbol, SymbolState())
    redo = decode_redo(b64decode(item["redo"]["B"])) if "redo" in item else None
    state = decode_state(b64decode(item["state"]["B"]))
    return SymbolView(symbol, state, attributes_without(item, _OWN), redo)


def build_commit(view: SymbolView, segment: Segment, config: Config) -> Commit:
    """Build the transaction of one segment: the symbol's item on its condition, open candles, pending alerts."""
    state = view.state
    if segment.latest_attributes is not None:
        view.latest_attributes = segment.latest_attributes
    archive = archive_object(segment.accepted) if segment.accepted else None
    redo = Redo(
        state.revision,
        archive.key if archive else "",
        archive.body if archive else b"",
        segment.quote_items,
        segment.closed_candles,
        segment.alerts,
    )
    item = _symbol_item(view, encode_redo(redo))
    condition = _IF_REVISION % segment.base_revision if segment.base_revision else _IF_NEW
    writes = [TransactionWrite(config.symbols_table, item, condition)]
    for interval, candle in zip(INTERVALS, state.candles, strict=True):
        if candle is not None:
            expires_at = expires_attribute(candle.window_start, config.retention_days)
            candle_item = candle.item(view.symbol, interval, closed=False, expires_at=expires_at)
            writes.append(TransactionWrite(config.candles_table, candle_item))
    status = "pending" if config.alerts_topic_arn is not None else "recorded"
    for alert in segment.alerts:
        expires_at = expires_attribute(alert.timestamp, config.retention_days)
        writes.append(TransactionWrite(config.alerts_table, alert.item(status, expires_at)))
    return Commit(view, segment, redo, writes, sum(len(write.item) for write in writes))


def clear_redo_request(table: str, symbol: str, revision: int) -> bytes:
    """Body of the UpdateItem that ends a commit: removes its redo log, unless the symbol has moved on."""
    return (
        b'{"TableName":"%b","Key":{"symbol":{"S":"%b"}},"UpdateExpression":"REMOVE #d",'
        b'"ConditionExpression":"#r = :r","ExpressionAttributeNames":{"#d":"redo","#r":"revision"},'
        b'"ExpressionAttributeValues":{":r":{"N":"%d"}}}' % (table.encode(), symbol.encode(), revision)
    )


def _symbol_item(view: SymbolView, redo: bytes) -> bytes:
    state = view.state
    split = (
        f'"split_label":{{"S":"{state.split_label}"}},"split_at":{{"S":"{state.split_at}"}},'
        if state.split_label
        else ""
    )
    latest = view.latest_attributes or f'"symbol":{{"S":"{view.symbol}"}}'
    return (
        f'{{{latest},"revision":{{"N":"{state.revision}"}},"session":{{"S":"{state.session}"}},'
        f'"shard_id":{{"S":"{state.shard_id}"}},"sequence_number":{{"S":"{state.sequence_number}"}},'
        f'"subsequence_number":{{"N":"{state.subsequence_number}"}},{split}'
        f'"state":{{"B":"{b64encode(encode_state(state)).decode()}"}},'
        f'"redo":{{"B":"{b64encode(redo).decode()}"}}}}'
    ).encode()
