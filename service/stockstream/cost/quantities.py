"""What a deployment uses of what AWS bills, measured or from its own numbers."""

from typing import Final

HOURS: Final = 730
TRADING_DAYS: Final = 21
SESSION_SECONDS: Final = 6.5 * 3600
# A schedule starts the task and the capacity half an hour around the session.
MARKET_HOURS: Final = TRADING_DAYS * 7
# Storage is billed by its average over the month, and the first month begins with nothing.
FIRST_MONTH_PART: Final = 0.5

# Measured: python -m scripts.infra_check.request_units (the twelfth session; a quote a symbol and batch).
QUOTE_WRITE_UNITS: Final = 1.0
CANDLE_WRITE_UNITS: Final = 0.11
ALERT_WRITE_UNITS: Final = 0.026
WRITE_UNITS_A_QUOTE: Final = QUOTE_WRITE_UNITS + CANDLE_WRITE_UNITS + ALERT_WRITE_UNITS
# The item with its open candles, and its part of the closed ones. With the tails of floats 133 and 15 more.
STORED_QUOTE_BYTES: Final = 582
STORED_CANDLE_BYTES: Final = 31
ITEMS_A_QUOTE: Final = 1.13
# On the stream; in the archive, of 260 quotes an object and more (alone, a quote takes 273).
QUOTE_BYTES: Final = 350
ARCHIVE_QUOTE_BYTES: Final = 25
METRICS: Final = 27
# Of the stub with 40 ms a put, docs/consumer.md: on the high side.
BATCH_SECONDS: Final = 0.12
LOG_BYTES_A_BATCH: Final = 2_000
# Polls are spread over this part of their interval; a request of Yahoo's has so many symbols.
SPREAD_PART: Final = 0.8
REQUEST_SYMBOLS: Final = 90
BATCH_WINDOW_SECONDS: Final = 5
PARTITIONS: Final = 4
CHECKPOINT_EVERY: Final = 32

# infra/main.tf, `provisioned_capacity`: units kept ready in market hours, and outside them.
QUOTE_UNIT_PART: Final = 0.9
CANDLES_A_SYMBOL_SECOND: Final = 1 / 300 + 1 / 3600
CANDLE_HEADROOM: Final = 1.75 * 1.25
READY_READ_UNITS: Final = 25 + 5
CLOSED_WRITE_UNITS: Final = 1 + 1

# The plain way: an item of the twelve published fields and an object a record, unaggregated, 128 MB, batches of 2.
PLAIN_ITEM_BYTES: Final = 270
PLAIN_OBJECT_BYTES: Final = 273
PLAIN_BATCH_RECORDS: Final = 2
FIREHOSE_BATCH_RECORDS: Final = 100
PLAIN_BATCH_SECONDS: Final = 0.1
PLAIN_MEMORY_GB: Final = 0.125
MEMORY_GB: Final = 0.5
