"""`python -m benchmarks.endless_answers [--json FILE] [--only TEXT]`: peak memory of each reader under each answer.

Ends with 1 where a reader took more than its bound allows, or took the answer for a good one.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from benchmarks.endless_answers.measure import GROWTH_MAX_BYTES, measure
from benchmarks.endless_answers.readers import CASES


def main() -> int:
    """Run the cases that are asked for, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    options = parser.parse_args()
    results = {}
    for name in CASES:
        if options.only not in name:
            continue
        result = results[name] = asyncio.run(measure(name))
        print(
            f"{name:36} {result.growth_bytes / 2**20:8.1f} MiB over {result.before_bytes / 2**20:5.1f}"
            f"  {result.seconds:5.1f} s  {result.said[:110]}",
            flush=True,
        )
    if options.json:
        figures = {name: result.figures() for name, result in results.items()}
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    bad = [name for name, result in results.items() if not result.is_bounded]
    print(f"{len(results)} cases; over {GROWTH_MAX_BYTES >> 20} MiB or taken for good: {', '.join(bad) or 'none'}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
