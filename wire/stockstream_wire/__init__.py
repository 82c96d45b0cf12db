"""What crosses the stream: the quote, its codec and the KPL aggregation format. Depends on nothing of ours."""

from stockstream_wire.aggregation import Aggregator, UserRecord, aggregate, record_size_bytes
from stockstream_wire.deaggregation import deaggregate, is_aggregated
from stockstream_wire.errors import (
    AggregationError,
    QuoteDecodeError,
    QuoteInvalidError,
    SchemaVersionError,
    WireError,
)
from stockstream_wire.market_rules import bad_tick, is_ahead_of_clock, is_old_news
from stockstream_wire.quote import (
    SCHEMA_VERSION,
    Quote,
    decode_quote,
    encode_quote,
    read_quote,
    validate_quote,
    validate_symbol,
)
from stockstream_wire.timestamps import (
    format_epoch_ms,
    format_timestamp,
    normalise_timestamp,
    parse_timestamp,
    timestamp_to_epoch_ms,
)
from stockstream_wire.trading_day import SessionFacts, session_facts

__all__ = [
    "SCHEMA_VERSION",
    "AggregationError",
    "Aggregator",
    "Quote",
    "QuoteDecodeError",
    "QuoteInvalidError",
    "SchemaVersionError",
    "SessionFacts",
    "UserRecord",
    "WireError",
    "aggregate",
    "bad_tick",
    "deaggregate",
    "decode_quote",
    "encode_quote",
    "format_epoch_ms",
    "format_timestamp",
    "is_aggregated",
    "is_ahead_of_clock",
    "is_old_news",
    "normalise_timestamp",
    "parse_timestamp",
    "read_quote",
    "record_size_bytes",
    "session_facts",
    "timestamp_to_epoch_ms",
    "validate_quote",
    "validate_symbol",
]
