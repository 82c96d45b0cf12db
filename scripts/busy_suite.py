"""The suite again and again on a machine that is slow, cold and busy: a test that is green by luck shows here.

make test-busy, or: python -m scripts.busy_suite [--runs 10] [--json FILE] [pytest's arguments]

Every run is under `nice -n 19` in a session of its own, beside one busy loop a processor. Where the kernel shares by
session (`sched_autogroup_enabled`), half of each processor is left to it, and otherwise what a nice of 19 leaves: next
to nothing. The first run is cold: the page cache is dropped, where we may.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]
_LOGS: Final = ROOT / "build" / "busy"
_DROP_CACHES: Final = Path("/proc/sys/vm/drop_caches")
_AUTOGROUP: Final = Path("/proc/sys/kernel/sched_autogroup_enabled")


class Run(NamedTuple):
    """How one run of the suite ended: pytest's exit code (0: all passed) and counts, wall seconds, load average."""

    code: int
    counts: str
    seconds: float
    load: float


def main(argv: Sequence[str] | None = None) -> int:
    """Make the runs, all of them; 1 where one of them was not green."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10, help="how many (10)")
    parser.add_argument("--loops", type=int, default=os.cpu_count() or 1, help="busy loops (one a processor)")
    parser.add_argument("--json", type=Path, help="write the runs there")
    options, arguments = parser.parse_known_args(argv)
    _LOGS.mkdir(parents=True, exist_ok=True)
    print(f"page cache dropped: {'yes' if _drop_page_cache() else 'no, not allowed'}; {_sharing()}", flush=True)
    runs = []
    for number in range(1, options.runs + 1):
        runs.append(_run(_LOGS / f"run-{number}.log", options.loops, arguments))
        print(f"run {number}: {_line(runs[-1])}", flush=True)
        if options.json:
            options.json.write_text(json.dumps([run._asdict() for run in runs], indent=1))
    green = sum(run.code == 0 for run in runs)
    print(f"{green} of {len(runs)} green; what failed: {_LOGS.relative_to(ROOT)}/run-*.log")
    return 0 if green == len(runs) else 1


def _run(log: Path, loops: int, arguments: Sequence[str]) -> Run:
    began = time.monotonic()
    suite = ["nice", "-n", "19", sys.executable, "-m", "pytest", "-q", "-n", str(os.cpu_count() or 1), *arguments]
    with ExitStack() as busy, log.open("w") as output:
        for _ in range(loops):
            busy.enter_context(_busy_loop())
        done = subprocess.run(suite, cwd=ROOT, stdout=output, stderr=output, start_new_session=True, check=False)
        load = os.getloadavg()[0]
    counts = log.read_text(errors="replace").splitlines()[-1:] or ["no word from pytest"]
    return Run(done.returncode, counts[0], time.monotonic() - began, load)


@contextmanager
def _busy_loop() -> Iterator[None]:
    loop = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        loop.kill()
        loop.wait()


def _drop_page_cache() -> bool:
    os.sync()
    try:
        _DROP_CACHES.write_text("3")
    except OSError:
        return False
    return True


def _sharing() -> str:
    by_session = _AUTOGROUP.is_file() and _AUTOGROUP.read_text().strip() == "1"
    return f"the kernel shares {'by session' if by_session else 'by nice value alone'}"


def _line(run: Run) -> str:
    verdict = f"exit code {run.code}" if run.code else "green"
    return f"{verdict}, {run.counts}, {run.seconds:.0f} s, load {run.load:.1f}"


if __name__ == "__main__":
    raise SystemExit(main())
