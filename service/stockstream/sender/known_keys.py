"""What belongs to a partition key, remembered: it is looked up for each record, in C."""

from collections.abc import Callable
from typing import Final, TypeVar

# A library user's keys may be without end, so the table starts anew past this many.
MAX_KNOWN_KEYS: Final = 200_000

_T = TypeVar("_T")


class KnownKeys(dict[str, _T]):
    """A table that fills itself.

    Args:
        find: What belongs to a key.
    """

    def __init__(self, find: Callable[[str], _T]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, key: str) -> _T:
        if len(self) >= MAX_KNOWN_KEYS:
            self.clear()
        found = self[key] = self._find(key)
        return found
