"""`make coverage`: the branches covered of each room where a fault loses data, against what they should be."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

AIM_PERCENT: Final = 95.0
# Each room by the paths that begin so.
ROOMS: Final = {
    "outbox": "service/stockstream/outbox/",
    "sender": "service/stockstream/sender/",
    "log": "lambda/stockstream_lambda/log.py",
    "partition": "lambda/stockstream_lambda/partition.py",
    "effects": "lambda/stockstream_lambda/effects.py",
}


def room_percents(report: Mapping[str, Any]) -> dict[str, float]:
    """Percent of branches covered of each room, of a report in coverage.py's JSON; none of a room that no test ran."""
    percents = {}
    for room, start in ROOMS.items():
        found = [content["summary"] for path, content in report["files"].items() if path.startswith(start)]
        branches = sum(summary["num_branches"] for summary in found)
        covered = sum(summary["covered_branches"] for summary in found)
        if covered:
            percents[room] = 100 * covered / branches
    return percents


def missing_branches(report: Mapping[str, Any]) -> list[str]:
    """Branches of the rooms that no test takes, as FILE: LINE->LINE."""
    return [
        f"{path}: " + ", ".join(f"{start}->{end}" for start, end in content["missing_branches"])
        for path, content in report["files"].items()
        if path.startswith(tuple(ROOMS.values())) and content["missing_branches"]
    ]


def main() -> int:
    """Print the table."""
    report = json.loads(Path(sys.argv[1]).read_text())
    percents = room_percents(report)
    short = [room for room, percent in percents.items() if percent < AIM_PERCENT]
    for room in ROOMS:
        said = f"{percents[room]:6.1f}% of branches" if room in percents else "not measured: no test of it ran"
        print(f"{room:10} {said}{'  SHORT' if room in short else ''}")
    if short:
        print(f"The aim is {AIM_PERCENT}%. Not taken by any test:", *missing_branches(report), sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
