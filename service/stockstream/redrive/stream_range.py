"""Reads a range of a shard again, by the positions that an on-failure message gives."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from botocore.exceptions import ClientError

from stockstream.redrive.items import UserRecord, sendable_key
from stockstream_wire import WireError, deaggregate, is_aggregated

# 5 reads a second and shard (Kinesis Data Streams quotas), which the consumer shares.
_READ_PAUSE_SECONDS: Final = 0.4
_THROTTLED: Final = frozenset({"ProvisionedThroughputExceededException", "LimitExceededException"})
_GONE: Final = frozenset({"ResourceNotFoundException", "InvalidArgumentException"})


class BatchInfo(msgspec.Struct, rename="camel"):
    """`KinesisBatchInfo` of an on-failure message."""

    shard_id: str
    start_sequence_number: str
    end_sequence_number: str
    batch_size: int
    stream_arn: str

    @property
    def label(self) -> str:
        """Where the batch is, for a person."""
        return f"{self.shard_id} {self.start_sequence_number}..{self.end_sequence_number}"


@dataclass(frozen=True, slots=True)
class RangeRead:
    """Kinesis records of a range; fewer than the batch held where the stream has dropped some."""

    records: list[tuple[str, bytes]]
    is_whole: bool


async def read_range(kinesis: Any, info: BatchInfo) -> RangeRead:
    """Read the records of a batch again.

    Raises:
        botocore.exceptions.ClientError: other than that the shard or the position is gone.
    """
    # All of the range: with batches of a shard in parallel it holds records of other batches too, and which ones were
    # this batch's the message does not say. Sending a quote again that is stored already changes nothing.
    first, last = int(info.start_sequence_number), int(info.end_sequence_number)
    records: list[tuple[str, bytes]] = []
    try:
        iterator: str | None = (
            await kinesis.get_shard_iterator(
                StreamARN=info.stream_arn,
                ShardId=info.shard_id,
                ShardIteratorType="AT_SEQUENCE_NUMBER",
                StartingSequenceNumber=info.start_sequence_number,
            )
        )["ShardIterator"]
        while iterator is not None:
            answer = await _get_records(kinesis, iterator)
            records += [
                (raw["PartitionKey"], raw["Data"])
                for raw in answer["Records"]
                if first <= int(raw["SequenceNumber"]) <= last
            ]
            newest = int(answer["Records"][-1]["SequenceNumber"]) if answer["Records"] else 0
            is_at_tip = not answer["Records"] and not answer.get("MillisBehindLatest")
            if newest >= last or is_at_tip:
                break
            iterator = answer.get("NextShardIterator")
            await asyncio.sleep(_READ_PAUSE_SECONDS)
    except ClientError as exc:
        if exc.response["Error"]["Code"] not in _GONE:
            raise
    return RangeRead(records, len(records) >= info.batch_size)


async def _get_records(kinesis: Any, iterator: str) -> Any:
    while True:
        try:
            return await kinesis.get_records(ShardIterator=iterator)
        except ClientError as exc:
            if exc.response["Error"]["Code"] not in _THROTTLED:
                raise
        await asyncio.sleep(_READ_PAUSE_SECONDS)


def user_records(records: list[tuple[str, bytes]]) -> list[UserRecord]:
    """Take aggregates apart; one that is damaged goes on whole, for the consumer to quarantine."""
    found: list[UserRecord] = []
    for key, data in records:
        if is_aggregated(data):
            try:
                found += [(sendable_key(record.partition_key), record.data) for record in deaggregate(data)]
                continue
            except WireError:
                pass
        found.append((key, data))
    return found
