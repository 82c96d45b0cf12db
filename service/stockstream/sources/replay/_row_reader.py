"""What every reader of a replay file gives, whatever its format."""

from collections.abc import Iterator
from typing import Protocol

from stockstream.sources.replay._values import RowError

Row = tuple[int, list[str] | RowError]


class RowReader(Protocol):
    """An open replay file. `rows()` may be iterated once."""

    columns: list[str]
    separator: str

    def rows(self) -> Iterator[Row]: ...

    def close(self) -> None: ...
