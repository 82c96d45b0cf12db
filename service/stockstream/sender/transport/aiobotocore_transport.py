"""PutRecords by aiobotocore: the reference, and the way out where the fast transport does not fit."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import ClientError as HttpClientError
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from stockstream.sender.lane import KinesisRecord
from stockstream.sender.transport.base import EntryResult
from stockstream.sender.transport.results import as_put_error, read_results

# ResponseParserError: a proxy or a load balancer answered in HTML.
_CALL_ERRORS: Final = (
    ClientError,
    BotoCoreError,
    ResponseParserError,
    HttpClientError,
    OSError,
    TimeoutError,
    asyncio.IncompleteReadError,
)


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
        except _CALL_ERRORS as exc:
            raise as_put_error(exc) from exc
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        return read_results(answer.get("Records"), len(records), headers)
