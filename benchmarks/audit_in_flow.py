"""Audits of a pipeline while it flows: each must find nothing, for what is newer than its start is left out.

python -m benchmarks.audit_in_flow [--times 10]

A local run with simulated quotes, and `stockstream audit` beside it, so many times in a row. Exit code 1 where one
finds anything.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.local.local_command import LocalCommand
from tests.local.test_upkeep import stockstream


def measure(folder: Path, times: int) -> dict[str, Any]:
    """Run so many audits; how many were clean, what the others said, and how many quotes were stored after each."""
    local = LocalCommand(folder, {"STOCKSTREAM_POLL_INTERVAL_SECONDS": "2"})
    stored, said = [], []
    with local.flowing("--source", "simulated", "--symbols", "AAPL,MSFT,TSLA,^VIX") as outside:
        for _ in range(times):
            ledger = str(folder / "state" / "ledger")
            done = stockstream("audit", "--ledger", ledger, AWS_ENDPOINT_URL=outside.endpoint_url)
            if done.returncode:
                said.append(done.stdout + done.stderr)
            stored.append(outside.stored())
    lost = json.loads(local.summary_path.read_text())["lost"]
    return {"audits": times, "clean": times - len(said), "said": said, "stored": stored, "lost": lost}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), arguments.times)
    print(json.dumps(found, indent=2))
    return int(bool(found["said"] or found["lost"]))


if __name__ == "__main__":
    sys.exit(main())
