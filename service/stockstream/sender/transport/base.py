"""The interface of the transports."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from stockstream.sender.lane import KinesisRecord


class EntryResult(NamedTuple):
    """What Kinesis said of one entry of a request.

    Attributes:
        shard_id: Where it is stored; empty where it is not.
        error_code: Why not; empty where it is stored.
        message: For a person.
    """

    shard_id: str
    error_code: str = ""
    message: str = ""


class Transport(Protocol):
    """Carries one request at a time for each caller; many callers at once."""

    async def put_records(self, records: Sequence[KinesisRecord]) -> Sequence[EntryResult]:
        """Send the records in one PutRecords call; the results are in their order.

        Raises:
            PutError: the call failed as a whole, or whether it did is not known.
        """
        ...
