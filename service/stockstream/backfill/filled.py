"""Which gaps have been filled without a hand, how far the one that is being filled has come, how often it was tried.

One small file beside the gaps.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from stockstream.backfill.gaps import Gap

FILLED_FILE: Final = "gaps-filled.json"
# Those of which it is known are at most a week old, and each lasted a minute or more.
_KNOWN_MAX: Final = 20_000

FILLED: Final = "filled"
GIVEN_UP: Final = "given up"


class Tries(NamedTuple):
    """How often a gap was tried since it last came a symbol further, the try under way included.

    Attributes:
        times: So often.
        not_before: When it may be tried again, in the wire's form of a time; empty: at any time.
    """

    times: int = 0
    not_before: str = ""


@dataclass(slots=True)
class FilledGaps:
    """What has become of gaps, by the key of each.

    Attributes:
        over: Key to `filled` or `given up`.
        current: Key of the gap that is being filled.
        done: Its symbols that are through.
        tries: By the key of each gap that is not over.
    """

    over: dict[str, str] = field(default_factory=dict)
    current: str = ""
    done: set[str] = field(default_factory=set)
    tries: dict[str, Tries] = field(default_factory=dict)

    def outcome(self, gap: Gap) -> str:
        """What has become of a gap; empty where it waits."""
        return self.over.get(key_of(gap), "")


def key_of(gap: Gap) -> str:
    """What a gap is known by."""
    return f"{gap.source} {gap.start} {gap.end}"


def read_filled(folder: Path) -> FilledGaps:
    """Read the file; one that is missing or damaged knows of nothing: filling a gap twice is harmless."""
    try:
        noted: Any = json.loads((folder / FILLED_FILE).read_bytes())
        over = {str(key): str(outcome) for key, outcome in noted["over"].items()}
        # Earlier versions counted in memory.
        tries = {str(key): Tries(int(times), str(when)) for key, (times, when) in noted.get("tries", {}).items()}
        return FilledGaps(over, str(noted["current"]), {str(symbol) for symbol in noted["done"]}, tries)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return FilledGaps()


def write_filled(folder: Path, filled: FilledGaps) -> None:
    """Replace the file; on disk when it returns.

    Raises:
        OSError: the folder cannot be written.
    """
    over = dict(sorted(filled.over.items(), key=lambda item: item[0].split(" ")[-1])[-_KNOWN_MAX:])
    noted = {"v": 1, "over": over, "current": filled.current, "done": sorted(filled.done), "tries": filled.tries}
    path = folder / FILLED_FILE
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(json.dumps(noted).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
