"""PutRecords by aiobotocore: the reference, and the way out where the fast transport does not fit."""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiohttp import ClientError as HttpClientError
from botocore.exceptions import BotoCoreError, ClientError

from stockstream.sender.failures import FailureKind, PutError, bare_code, classify
from stockstream.sender.lane import KinesisRecord
from stockstream.sender.transport.base import EntryResult


class AiobotocoreTransport:
    """Sends through an open Kinesis client, which must not retry by itself.

    Args:
        client: aiobotocore's Kinesis client.
        stream: Name of the stream.
    """

    def __init__(self, client: Any, stream: str) -> None:
        self._client = client
        self._stream = stream

    async def put_records(self, records: Sequence[KinesisRecord]) -> Sequence[EntryResult]:
        """See `Transport.put_records`."""
        entries = [
            {"Data": r.data, "PartitionKey": r.lane.partition_key, "ExplicitHashKey": r.lane.hash_key} for r in records
        ]
        try:
            answer = await self._client.put_records(StreamName=self._stream, Records=entries)
        except (ClientError, BotoCoreError, HttpClientError, OSError, TimeoutError, asyncio.IncompleteReadError) as exc:
            raise as_put_error(exc) from exc
        return read_results(answer.get("Records"), len(records))


def as_put_error(exc: BaseException) -> PutError:
    """Classify what botocore or the connection raised."""
    if isinstance(exc, ClientError):
        error = exc.response.get("Error", {})
        code = bare_code(str(error.get("Code", "Unknown")))
        status = int(exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return PutError(classify(code, status), code, str(error.get("Message", "")))
    code = type(exc).__name__
    return PutError(classify(code, 0), code, str(exc))


def read_results(entries: Any, expected: int) -> list[EntryResult]:
    """Read the `Records` of an answer.

    Raises:
        PutError: the answer does not speak of every record, so that nothing is known of any.
    """
    if not isinstance(entries, list) or len(entries) != expected:
        raise PutError(FailureKind.TRANSIENT, "MalformedAnswer", f"expected {expected} results in the answer")
    results = []
    for entry in entries:
        code = entry.get("ErrorCode")
        if code:
            results.append(EntryResult("", bare_code(code), str(entry.get("ErrorMessage", ""))))
        elif entry.get("SequenceNumber"):
            results.append(EntryResult(str(entry.get("ShardId", ""))))
        else:
            results.append(EntryResult("", "MalformedAnswer", "neither a sequence number nor an error"))
    return results
