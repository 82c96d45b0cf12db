"""What the workers polled, told from their ledgers: the simulated source gives a new quote at every poll."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple


class Holder(NamedTuple):
    """Who had a worker's folder, and when: one that is free goes to the next who comes."""

    folder: str
    start: float
    end: float
    worker: str


class Poll(NamedTuple):
    """One poll of one symbol: when, seconds since 1970, and by whom."""

    at: float
    worker: str


Polls = Mapping[str, Sequence[Poll]]


def read_polls(ledger: Path, holders: Sequence[Holder]) -> Polls:
    """Polls by symbol, in order, of every worker below a ledger's folder."""
    polls: dict[str, list[Poll]] = defaultdict(list)
    for path in sorted((ledger / "workers").glob("*/*.ledger")):
        for line in path.read_text().splitlines():
            symbol, timestamp, _ = line.split()
            at = datetime.fromisoformat(timestamp).timestamp()
            (worker,) = (one.worker for one in holders if one.folder == path.parent.name and one.start <= at < one.end)
            polls[symbol].append(Poll(at, worker))
    return {symbol: sorted(found) for symbol, found in polls.items()}


def between(polls: Polls, start: float, end: float) -> Polls:
    """The polls of a time."""
    return {symbol: [poll for poll in found if start <= poll.at < end] for symbol, found in polls.items()}


def workers_of(polls: Polls) -> dict[str, set[str]]:
    """Who polled each symbol."""
    return {symbol: {poll.worker for poll in found} for symbol, found in polls.items()}


def overlapping(polls: Polls) -> int:
    """Polls of a symbol by one worker between two of another: what both followed for a while."""
    return sum(_overlapping(found) for found in polls.values())


def _overlapping(found: Sequence[Poll]) -> int:
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    for poll in found:
        first.setdefault(poll.worker, poll.at)
        last[poll.worker] = poll.at
    return sum(any(other != poll.worker and first[other] < poll.at < last[other] for other in first) for poll in found)


def longest_gap(polls: Polls) -> float:
    """Longest time between two polls of one symbol, seconds."""
    return max(gaps(polls), default=0.0)


def gaps(polls: Polls) -> Iterable[float]:
    """Times between one poll of a symbol and its next, whoever made them, seconds."""
    for found in polls.values():
        yield from (after.at - before.at for before, after in pairwise(found))


def takeover_seconds(polls: Polls, dead: str, killed_at: float) -> list[float]:
    """For each symbol of a worker that was killed: from the kill to the first poll by another."""
    found = []
    for of_symbol in polls.values():
        before = [poll for poll in of_symbol if poll.at <= killed_at]
        if before and before[-1].worker == dead:
            after = [poll.at for poll in of_symbol if poll.at > killed_at and poll.worker != dead]
            found.append(min(after, default=float("inf")) - killed_at)
    return found
