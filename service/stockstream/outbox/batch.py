"""Records as columns: whatever is done for every record is done for whole columns at once, in C."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final, NamedTuple, Self

Record = tuple[str, bytes]

# A frame of the log is read whole, so its size bounds what a read costs.
PART_MAX_DATA_BYTES: Final = 4 * 1024 * 1024
PART_MAX_RECORDS: Final = 65_536


class _Columns(NamedTuple):
    """Keys, data, and the lengths of the data."""

    keys: Sequence[str]
    datas: Sequence[bytes]
    data_lengths: list[int]


class RecordBatch:
    """Records and their columns, which are made when they are asked for: small batches are joined before.

    Args:
        records: Partition keys and data; one at least.
        size_bytes: Of all data.
        columns: Where they are known.
    """

    __slots__ = ("_columns", "records", "size_bytes")

    def __init__(self, records: Sequence[Record], size_bytes: int, columns: _Columns | None = None) -> None:
        self.records = records
        self.size_bytes = size_bytes
        self._columns = columns

    def __len__(self) -> int:
        return len(self.records)

    @classmethod
    def of(cls, records: Sequence[Record]) -> Self:
        """A batch of records, of which there must be one at least."""
        # Not the caller's own list: what becomes of that later is nobody's business here.
        kept = tuple(records)
        columns = _split(kept)
        return cls(kept, sum(columns.data_lengths), columns)

    @classmethod
    def joined(cls, batches: Sequence["RecordBatch"]) -> "RecordBatch":
        """One batch of several, in their order."""
        if len(batches) == 1:
            return batches[0]
        records = list(chain.from_iterable([batch.records for batch in batches]))
        return cls(records, sum([batch.size_bytes for batch in batches]))

    @property
    def keys(self) -> Sequence[str]:
        """Partition keys."""
        return self._split().keys

    @property
    def datas(self) -> Sequence[bytes]:
        """Data."""
        return self._split().datas

    @property
    def data_lengths(self) -> list[int]:
        """Of the data, in bytes."""
        return self._split().data_lengths

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

    def _split(self) -> _Columns:
        columns = self._columns
        if columns is None:
            columns = self._columns = _split(self.records)
        return columns


def _split(records: Sequence[Record]) -> _Columns:
    keys, datas = zip(*records, strict=True)
    return _Columns(keys, datas, list(map(len, datas)))
