"""An in-memory twin of the Kinesis read API, with the faults that a real one has and an emulator has not."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/stockstream"


def client_error(code: str, operation: str = "GetRecords") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": f"scripted {code}"}}, operation)


@dataclass
class TwinShard:
    records: list[dict[str, Any]] = field(default_factory=list)
    parents: tuple[str, ...] = ()
    is_closed: bool = False


class KinesisTwin:
    """Implements the four calls of an aiobotocore client that the runner makes.

    `faults` are raised by the next calls of an operation, in order. `read_limit` caps a read, so that a shard is read
    in several. Iterators of before `forget_iterators` are expired.
    """

    def __init__(self, *shard_ids: str, read_limit: int = 10_000) -> None:
        self.shards = {shard_id: TwinShard() for shard_id in shard_ids or ("shardId-000000000000",)}
        self.created_at = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
        self.read_limit = read_limit
        self.faults: dict[str, list[Exception]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.is_missing = False
        self.is_away = False
        self._iterators: dict[str, tuple[str, int]] = {}
        self._sequence = 100

    def put(self, data: bytes, key: str = "AAPL", shard_id: str | None = None) -> str:
        shard = self.shards[shard_id or next(iter(self.shards))]
        assert not shard.is_closed
        self._sequence += 1
        shard.records.append(
            {
                "SequenceNumber": str(self._sequence),
                "PartitionKey": key,
                "Data": data,
                "ApproximateArrivalTimestamp": datetime.now(UTC),
            }
        )
        return str(self._sequence)

    def split(self, parent: str, *children: str) -> None:
        self.shards[parent].is_closed = True
        for child in children:
            self.shards[child] = TwinShard(parents=(parent,))

    def recreate(self) -> None:
        """Delete the stream and make it again under its name."""
        self.shards = {shard_id: TwinShard() for shard_id in self.shards}
        self.created_at = datetime(2026, 11, 22, 13, 0, tzinfo=UTC)
        self.forget_iterators()

    def forget_iterators(self) -> None:
        self._iterators.clear()

    def starts(self) -> list[dict[str, Any]]:
        return [arguments for name, arguments in self.calls if name == "get_shard_iterator"]

    async def describe_stream_summary(self, **arguments: Any) -> dict[str, Any]:
        self._enter("describe_stream_summary", arguments)
        return {"StreamDescriptionSummary": {"StreamARN": ARN, "StreamCreationTimestamp": self.created_at}}

    async def list_shards(self, **arguments: Any) -> dict[str, Any]:
        self._enter("list_shards", arguments)
        names = ("ParentShardId", "AdjacentParentShardId")
        # One a page: the runner must follow NextToken.
        listed = list(self.shards.items())
        index = int(arguments.get("NextToken", 0))
        shard_id, shard = listed[index]
        answer: dict[str, Any] = {"Shards": [{"ShardId": shard_id, **dict(zip(names, shard.parents, strict=False))}]}
        return answer if index + 1 == len(listed) else answer | {"NextToken": str(index + 1)}

    async def get_shard_iterator(self, **arguments: Any) -> dict[str, Any]:
        self._enter("get_shard_iterator", arguments)
        shard_id = arguments["ShardId"]
        records = self.shards[shard_id].records
        match arguments["ShardIteratorType"]:
            case "TRIM_HORIZON":
                position = 0
            case "LATEST":
                position = len(records)
            case "AT_TIMESTAMP":
                times = [record["ApproximateArrivalTimestamp"] >= arguments["Timestamp"] for record in records]
                position = [*times, True].index(True)
            case "AFTER_SEQUENCE_NUMBER":
                after = int(arguments["StartingSequenceNumber"])
                position = sum(int(record["SequenceNumber"]) <= after for record in records)
            case kind:
                raise AssertionError(kind)
        return {"ShardIterator": self._new_iterator(shard_id, position)}

    async def get_records(self, **arguments: Any) -> dict[str, Any]:
        self._enter("get_records", arguments)
        if arguments["ShardIterator"] not in self._iterators:
            raise client_error("ExpiredIteratorException")
        shard_id, position = self._iterators[arguments["ShardIterator"]]
        shard = self.shards[shard_id]
        records = shard.records[position : position + min(arguments["Limit"], self.read_limit)]
        position += len(records)
        answer: dict[str, Any] = {
            "Records": records,
            "MillisBehindLatest": 0 if position == len(shard.records) else 1000,
        }
        if not (shard.is_closed and position == len(shard.records)):
            answer["NextShardIterator"] = self._new_iterator(shard_id, position)
        return answer

    def _enter(self, name: str, arguments: dict[str, Any]) -> None:
        self.calls.append((name, arguments))
        if self.is_away:
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
        if self.faults.get(name):
            raise self.faults[name].pop(0)
        if self.is_missing:
            raise client_error("ResourceNotFoundException", name)

    def _new_iterator(self, shard_id: str, position: int) -> str:
        iterator = f"iterator-{len(self.calls)}-{shard_id}"
        self._iterators[iterator] = (shard_id, position)
        return iterator
