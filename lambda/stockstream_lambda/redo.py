"""The redo log of one commit: everything that is to be written after it, kept in the symbol's item until it is.

The commit and its redo log are one conditional write. Whoever finds a redo log, a retry or the next invocation, writes
what it says, the same bytes under the same keys, before anything else of that symbol; a stalled invocation that wakes
up late can only write the same again.
"""

import zlib
from typing import Final

import msgspec

from stockstream_lambda.alerts.alert import Alert
from stockstream_lambda.quarantine import StoredObject


class Redo(msgspec.Struct, array_like=True, frozen=True):
    """What one commit owes.

    Attributes:
        revision: Revision of the state it belongs to.
        archive_key: Key of the archive object; empty where nothing was accepted.
        archive_body: Its bytes.
        quote_items: Items for `quotes`.
        candle_items: Items for `candles`: windows that have closed.
        alerts: Alerts to publish, then to mark as published.
    """

    revision: int
    archive_key: str
    archive_body: bytes
    quote_items: list[bytes]
    candle_items: list[bytes]
    alerts: list[Alert]

    @property
    def archive(self) -> StoredObject | None:
        return StoredObject(self.archive_key, self.archive_body, "application/gzip") if self.archive_key else None


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Redo)


def encode_redo(redo: Redo) -> bytes:
    # Level 1: this is read only after a crash, and written for every commit.
    return zlib.compress(_encoder.encode(redo), 1)


def decode_redo(data: bytes) -> Redo:
    """Decode a redo log.

    Raises:
        zlib.error, msgspec.DecodeError: not a redo log.
    """
    return _decoder.decode(zlib.decompress(data))
