"""Records as columns: whatever is done for every record is done for whole columns at once, in C."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, Self

Record = tuple[str, bytes]

# A frame of the log is read whole, so its size bounds what a read costs.
PART_MAX_DATA_BYTES: Final = 4 * 1024 * 1024
PART_MAX_RECORDS: Final = 65_536


@dataclass(slots=True)
class RecordBatch:
    """Records and their columns.

    Attributes:
        records: Partition keys and data.
        keys: Partition keys.
        datas: Data.
        data_lengths: Of the data, in bytes.
        size_bytes: Sum of `data_lengths`.
    """

    records: Sequence[Record]
    keys: Sequence[str]
    datas: Sequence[bytes]
    data_lengths: list[int]
    size_bytes: int

    def __len__(self) -> int:
        return len(self.records)

    @classmethod
    def of(cls, records: Sequence[Record]) -> Self:
        """Make the columns of records, of which there must be one at least."""
        if len(records) == 1:
            ((key, data),) = records
            size_bytes = len(data)
            return cls(records, [key], [data], [size_bytes], size_bytes)
        keys = [key for key, _ in records]
        datas = [data for _, data in records]
        data_lengths = list(map(len, datas))
        return cls(records, keys, datas, data_lengths, sum(data_lengths))

    @classmethod
    def joined(cls, batches: Sequence["RecordBatch"]) -> "RecordBatch":
        """One batch of several, in their order."""
        if len(batches) == 1:
            return batches[0]
        return cls(
            list(chain.from_iterable([batch.records for batch in batches])),
            list(chain.from_iterable([batch.keys for batch in batches])),
            list(chain.from_iterable([batch.datas for batch in batches])),
            list(chain.from_iterable([batch.data_lengths for batch in batches])),
            sum([batch.size_bytes for batch in batches]),
        )

    def parts(self) -> Iterator["RecordBatch"]:
        """The batch in parts small enough to read back whole."""
        if self.size_bytes <= PART_MAX_DATA_BYTES and len(self.records) <= PART_MAX_RECORDS:
            yield self
            return
        start = size = 0
        for index, length in enumerate(self.data_lengths):
            if index > start and (size + length > PART_MAX_DATA_BYTES or index - start >= PART_MAX_RECORDS):
                yield RecordBatch.of(self.records[start:index])
                start, size = index, 0
            size += length
        yield RecordBatch.of(self.records[start:])
