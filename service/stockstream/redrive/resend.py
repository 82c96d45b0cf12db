"""Sends through the sender itself, so that a redriven quote takes the lane and the shard of its symbol."""

from collections.abc import Sequence
from typing import Final

from stockstream.redrive.errors import RedriveIncompleteError
from stockstream.redrive.items import UserRecord
from stockstream.sender import Sender

DRAIN_SECONDS: Final = 60.0


class SenderResend:
    """A `Resend` over a running sender, which the caller opens (an outbox in memory is enough) and closes."""

    def __init__(self, sender: Sender, *, drain_seconds: float = DRAIN_SECONDS) -> None:
        self._sender = sender
        self._drain_seconds = drain_seconds

    async def __call__(self, records: Sequence[UserRecord]) -> None:
        refused = await self._sender.send(records)
        if refused:
            names = ", ".join(f"{record.key or '(no key)'} ({record.reason})" for record in refused[:3])
            raise RedriveIncompleteError(f"{len(refused)} records cannot go through the stream: {names}")
        unsent = await self._sender.drain(self._drain_seconds)
        if unsent:
            raise RedriveIncompleteError(
                f"{unsent} records were not taken by Kinesis in {self._drain_seconds:g} s; "
                "they are still set aside: run the redrive again"
            )
