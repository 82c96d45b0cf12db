"""The gaps of all who have one disk: a service that is alone, and each of several workers, those that are gone too.

Every service notes gaps in its own folder; whoever fills them, or lists them, reads the notes of all. So nothing
depends on who takes a folder again, and of a silence that several saw one is filled.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from stockstream.backfill.filled import FILLED, FilledGaps, Tries, key_of, read_filled, write_filled
from stockstream.backfill.gaps import GAP_MIN_SECONDS, Gap, GapLog
from stockstream.settings.paths import worker_folders
from stockstream_wire import format_timestamp, parse_timestamp

# Held by whoever fills a gap: one at a time, of all folders together.
FILLING_LOCK: Final = "gaps.lock"
# An older gap is left to a person.
AGE_MAX: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class NotedGap:
    """A gap, and what has become of it.

    Attributes:
        gap: The gap.
        folder: Whose notes it is in.
        outcome: `filled`, here or as part of others that were, `given up`, or empty where it waits.
        is_begun: Some of its symbols are through.
        tries: How often it was tried.
    """

    gap: Gap
    folder: Path
    outcome: str
    is_begun: bool
    tries: Tries


class FolderNotes(NamedTuple):
    """What has become of the gaps of a folder, changed on disk at once."""

    folder: Path
    filled: FilledGaps

    async def put_off(self, gap: Gap, tries: Tries) -> None:
        """Note how often a gap was tried."""
        self.filled.tries[key_of(gap)] = tries
        await asyncio.to_thread(write_filled, self.folder, self.filled)

    async def over(self, gap: Gap, outcome: str, now: datetime) -> None:
        """Note what has become of a gap, and forget those that are older than any that is filled."""
        filled, oldest = self.filled, format_timestamp(now - AGE_MAX)
        filled.over[key_of(gap)] = outcome
        filled.current, filled.done = "", set()
        filled.over = {key: kept for key, kept in filled.over.items() if key.rpartition(" ")[2] > oldest}
        filled.tries = {key: kept for key, kept in filled.tries.items() if key.rpartition(" ")[2] > oldest}
        filled.tries.pop(key_of(gap), None)
        await asyncio.to_thread(write_filled, self.folder, filled)


def gap_folders(state: Path) -> list[Path]:
    """Folders in which gaps may be noted.

    Args:
        state: Where the outbox of a service that is alone would be; the workers' folders are in it.
    """
    return [state, *worker_folders(state)]


def last_seen(state: Path, source: str) -> datetime | None:
    """When any service of this disk had an answer of the source last: while another polled there was no gap."""
    return max((seen for folder in gap_folders(state) if (seen := GapLog(folder).last_seen(source))), default=None)


def noted_gaps(state: Path) -> list[NotedGap]:
    """All gaps, the newest last."""
    notes = [(folder, GapLog(folder).read(), read_filled(folder)) for folder in gap_folders(state)]
    filled = [key for _, _, of_folder in notes for key, outcome in of_folder.over.items() if outcome == FILLED]
    found = {gap: _noted(gap, folder, of_folder, filled) for folder, gaps, of_folder in notes for gap in gaps}
    return sorted(found.values(), key=lambda noted: (noted.gap.end, noted.gap.start))


def _noted(gap: Gap, folder: Path, of_folder: FilledGaps, filled: Iterable[str]) -> NotedGap:
    key = key_of(gap)
    outcome = of_folder.outcome(gap)
    if outcome != FILLED and _is_covered(gap, filled):
        outcome = FILLED
    return NotedGap(gap, folder, outcome, of_folder.current == key, of_folder.tries.get(key, Tries()))


def _is_covered(gap: Gap, filled: Iterable[str]) -> bool:
    """Whether others that are filled leave less of it than would be a gap, and less than half of it."""
    # The wire's form of a time sorts as text.
    spans = [key.split(" ")[1:] for key in filled if key.startswith(f"{gap.source} ")]
    left, at = [], gap.start
    for start, end in sorted(span for span in spans if len(span) == 2 and span[0] < gap.end and span[1] > gap.start):
        left.append(_seconds(at, start))
        at = max(at, end)
    left.append(_seconds(at, gap.end))
    return max(left) < GAP_MIN_SECONDS and sum(left) < gap.seconds / 2


def _seconds(start: str, end: str) -> float:
    return (parse_timestamp(end) - parse_timestamp(start)).total_seconds() if start < end else 0.0
