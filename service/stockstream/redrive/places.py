"""Where things are set aside, and how they are taken from there."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from stockstream.aws import list_keys
from stockstream.redrive.errors import RedriveError
from stockstream.redrive.failed_batches import in_bucket, queued, release, waiting_messages
from stockstream.redrive.items import Item, Origin
from stockstream.redrive.quarantine import quarantine_keys, quarantined

FAILED_BATCHES_PREFIX: Final = "failed-batches/"
# DeleteObjects takes 1,000 keys, DeleteMessageBatch 10 entries.
_DELETE_MAX_KEYS: Final = 1000
_DELETE_MAX_MESSAGES: Final = 10


@dataclass(frozen=True, slots=True)
class Selection:
    """Which items.

    Attributes:
        origins: Where to look.
        day: UTC day of arrival, of the quarantine only.
        reason: Only this reason or condition.
        limit: At most so many of each origin.
    """

    origins: frozenset[Origin] = frozenset(Origin)
    day: str | None = None
    reason: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """Clients (aiobotocore's, closed by the caller) and names.

    Attributes:
        bucket: The archive's bucket, which holds the quarantine and `failed-batches/`.
        stream: Name of the stream that everything goes to.
        queue_url: The on-failure queue; None where there is none.
        queue_wait_seconds: Long poll, 0 to 20 s; with 0, SQS may overlook messages.
    """

    s3: Any
    sqs: Any
    kinesis: Any
    bucket: str
    stream: str
    queue_url: str | None
    queue_wait_seconds: int = 1

    async def count(self, selection: Selection) -> int:
        """How many items there are to look at, about: for a progress bar."""
        total = 0
        if Origin.QUARANTINE in selection.origins:
            total += len(await quarantine_keys(self.s3, self.bucket, selection.day))
        if Origin.QUEUE in selection.origins and self.queue_url is not None:
            total += await waiting_messages(self.sqs, self.queue_url)
        if Origin.BUCKET in selection.origins:
            async for _ in list_keys(self.s3, self.bucket, FAILED_BATCHES_PREFIX):
                total += 1
        return total

    async def items(self, selection: Selection) -> AsyncIterator[Item]:
        """Iterate over what is set aside: quarantine, queue, bucket."""
        if Origin.QUARANTINE in selection.origins:
            async for item in quarantined(
                self.s3, self.bucket, day=selection.day, reason=selection.reason, limit=selection.limit
            ):
                yield item
        if Origin.QUEUE in selection.origins and self.queue_url is not None:
            messages = queued(
                self.sqs,
                self.kinesis,
                self.queue_url,
                self.stream,
                limit=selection.limit,
                wait_seconds=self.queue_wait_seconds,
            )
            async for item in messages:
                yield item
        if Origin.BUCKET in selection.origins:
            found = 0
            async for item in in_bucket(self.s3, self.kinesis, self.bucket, FAILED_BATCHES_PREFIX, self.stream):
                if found == selection.limit:
                    return
                found += 1
                yield item

    async def remove(self, items: Sequence[Item]) -> None:
        """Remove items that were sent.

        Raises:
            RedriveError: some were not removed; they will be sent once more, which changes nothing downstream.
        """
        refused: list[str] = []
        keys = [item.handle for item in items if item.origin is not Origin.QUEUE]
        for start in range(0, len(keys), _DELETE_MAX_KEYS):
            objects = [{"Key": key} for key in keys[start : start + _DELETE_MAX_KEYS]]
            answer = await self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True})
            refused += [f"{error.get('Key')}: {error.get('Message')}" for error in answer.get("Errors", [])]
        handles = [item.handle for item in items if item.origin is Origin.QUEUE]
        for start in range(0, len(handles), _DELETE_MAX_MESSAGES):
            part = handles[start : start + _DELETE_MAX_MESSAGES]
            entries = [{"Id": str(index), "ReceiptHandle": handle} for index, handle in enumerate(part)]
            answer = await self.sqs.delete_message_batch(QueueUrl=self.queue_url, Entries=entries)
            refused += [f"message {error.get('Id')}: {error.get('Message')}" for error in answer.get("Failed", [])]
        if refused:
            raise RedriveError(
                f"sent, but not removed: {'; '.join(refused[:3])}; the next redrive sends them once more, "
                "which changes nothing downstream"
            )

    async def release(self, items: Sequence[Item]) -> None:
        """Give queue messages back that were looked at and not sent."""
        handles = [item.handle for item in items if item.origin is Origin.QUEUE]
        if handles and self.queue_url is not None:
            await release(self.sqs, self.queue_url, handles)
