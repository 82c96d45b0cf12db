"""Kinesis at the edge: shards, iterators and records through an aiobotocore client, its errors sorted.

Kinesis keeps an iterator for five minutes and allows five reads a second and shard (Kinesis Data Streams quotas); the
shard worker paces the reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from stockstream.errors import AwsSetupError
from stockstream.eventsource.checkpoints import StreamIdentity
from stockstream.eventsource.errors import (
    IteratorExpiredError,
    PositionInvalidError,
    StreamMissingError,
    StreamUnavailableError,
)
from stockstream.eventsource.shard_tree import Shard
from stockstream_wire.aws.error_codes import ErrorKind, kind_of

# GetRecords: at most 10,000 records a call.
READ_LIMIT: Final = 10_000

# What a person must change first; all else passes with time, as far as a reader can know.
_PERMANENT: Final = frozenset(
    {ErrorKind.ACCESS, ErrorKind.CREDENTIALS, ErrorKind.EXPIRED, ErrorKind.CLOCK, ErrorKind.KMS, ErrorKind.OPT_IN}
)


@dataclass(frozen=True, slots=True)
class IteratorStart:
    """A position to read from: the arguments of GetShardIterator."""

    kind: str
    sequence_number: str | None = None
    timestamp: datetime | None = None

    def arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {"ShardIteratorType": self.kind}
        if self.sequence_number is not None:
            arguments["StartingSequenceNumber"] = self.sequence_number
        if self.timestamp is not None:
            arguments["Timestamp"] = self.timestamp
        return arguments


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What one GetRecords gave; `next_iterator` is None at the end of a closed shard."""

    records: Sequence[dict[str, Any]]
    next_iterator: str | None
    millis_behind_latest: int

    @property
    def is_at_tip(self) -> bool:
        return self.millis_behind_latest == 0 and len(self.records) < READ_LIMIT


class KinesisReader:
    """Reads one stream. Every method raises StreamUnavailableError where a later call may succeed."""

    def __init__(self, kinesis_client: Any, stream_name: str) -> None:
        self._client = kinesis_client
        self._stream_name = stream_name

    async def identity(self) -> StreamIdentity:
        """Which stream stands under the name now."""
        answer = await self._call("describe_stream_summary", StreamName=self._stream_name)
        summary = answer["StreamDescriptionSummary"]
        created = summary["StreamCreationTimestamp"]
        if not isinstance(created, datetime):
            created = datetime.fromtimestamp(float(created), UTC)
        return StreamIdentity(summary["StreamARN"], created.astimezone(UTC).isoformat())

    async def shards(self) -> list[Shard]:
        """All shards that Kinesis still lists, closed ones included."""
        shards: list[Shard] = []
        arguments: dict[str, Any] = {"StreamName": self._stream_name}
        while True:
            answer = await self._call("list_shards", **arguments)
            for raw in answer["Shards"]:
                parents = (raw.get("ParentShardId"), raw.get("AdjacentParentShardId"))
                shards.append(Shard(raw["ShardId"], tuple(parent for parent in parents if parent)))
            token = answer.get("NextToken")
            if not token:
                return shards
            arguments = {"NextToken": token}

    async def iterator(self, shard_id: str, start: IteratorStart) -> str:
        """Open an iterator.

        Raises:
            PositionInvalidError: the shard does not know the sequence number.
        """
        answer = await self._call(
            "get_shard_iterator", StreamName=self._stream_name, ShardId=shard_id, **start.arguments()
        )
        return str(answer["ShardIterator"])

    async def read(self, iterator: str) -> ReadResult:
        """Read on.

        Raises:
            IteratorExpiredError: it is older than five minutes, or the server forgot it.
        """
        answer = await self._call("get_records", ShardIterator=iterator, Limit=READ_LIMIT)
        return ReadResult(answer["Records"], answer.get("NextShardIterator"), answer.get("MillisBehindLatest") or 0)

    async def _call(self, operation: str, **arguments: Any) -> Any:
        try:
            return await getattr(self._client, operation)(**arguments)
        except ClientError as exc:
            raise self._sorted(exc, operation) from exc
        except (NoCredentialsError, PartialCredentialsError) as exc:
            raise AwsSetupError(f"Kinesis {operation} on {self._stream_name}: {exc}") from exc
        except (BotoCoreError, OSError, TimeoutError) as exc:
            raise StreamUnavailableError(f"Kinesis {operation} on {self._stream_name}: {exc}") from exc

    def _sorted(self, exc: ClientError, operation: str) -> Exception:
        code = exc.response.get("Error", {}).get("Code", "")
        message = f"Kinesis {operation} on {self._stream_name}: {exc}"
        if code == "ExpiredIteratorException":
            return IteratorExpiredError(message)
        if code == "ResourceNotFoundException":
            return StreamMissingError(message)
        if code in ("InvalidArgumentException", "ValidationException", "ValidationError"):
            return IteratorExpiredError(message) if operation == "get_records" else PositionInvalidError(message)
        if kind_of(code, 0) in _PERMANENT:
            return AwsSetupError(message)
        return StreamUnavailableError(message)
