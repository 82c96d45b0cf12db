"""kill -9 at random moments, with everything that must cost no quote mixed in: nothing accepted is lost.

`python -m benchmarks.outbox_kills --json FILE [--kills 200] [--seed 7]`. A sender sends in a process of its own, on a
small file system of its own where we may mount one, and is killed at random moments of start, flow and recovery.
Between and during its lives: outages, throttles, a disk without a byte or without a file left, and mutilations of what
is beside the log (either copy of the acknowledgements or both, the lock). Afterwards all is drained and counted.
Exit code 1 where a quote that was accepted did not arrive, or an order was not kept.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

from benchmarks.null_kinesis import NullKinesis

ROOT: Final = Path(__file__).resolve().parents[1]
SYMBOLS: Final = 20
_KILL_WITHIN_SECONDS: Final = 1.2
_DISK_OPTIONS: Final = "size=6m,nr_inodes=40"

PRODUCER: Final = """
import asyncio, sys
from pathlib import Path
from stockstream.aws import AwsConfig
from stockstream.sender import Sender, SenderConfig, breaker

breaker.PROBE_MIN_SECONDS, breaker.PROBE_MAX_SECONDS = 0.05, 0.2

async def main(url, folder, start, steps):
    config = SenderConfig(stream="stockstream", outbox_dir=Path(folder), linger_seconds=0.005, close_seconds=0.1,
                          outbox_max_bytes=4 * 2**20)
    async with Sender(config, AwsConfig("us-east-1", url, "test", "test")) as sender:
        print("opened", flush=True)
        for step in range(start, start + steps):
            batch = []
            for symbol in range(int(sys.argv[5])):
                data = b'{"seq":%010d,"symbol":"S%04d"' % (step, symbol)
                batch.append((f"S{symbol:04d}", data.ljust(299) + b"}"))
            await sender.send(batch)
            print(step, flush=True)
        if unsent := await sender.drain(120):
            sys.exit(f"{unsent} not drained")

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
"""


def produce(url: str, folder: Path, start: int, kill_after_seconds: float | None) -> tuple[int, int]:
    """Run the producer; returns how many batches were accepted in all, and its exit code.

    Args:
        url: Of the endpoint.
        folder: Of the outbox.
        start: Number of the first batch.
        kill_after_seconds: After its outbox was opened, or, negative, after its start; None lets it drain and end.
    """
    steps = 0 if kill_after_seconds is None else 10**9
    process = subprocess.Popen(
        [sys.executable, "-c", PRODUCER, url, str(folder), str(start), str(steps), str(SYMBOLS)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    if kill_after_seconds is not None:
        if kill_after_seconds >= 0:
            process.stdout.readline()
        time.sleep(abs(kill_after_seconds))
        process.kill()
    accepted, said = start, ""
    for line in process.stdout:
        if line.strip().isdigit():
            accepted = int(line) + 1
        else:
            said = line.strip() or said
    process.stdout.close()
    if process.wait() not in {0, -signal.SIGKILL}:
        print(f"after {start} batches a life ended by itself: {said}", flush=True)
    return accepted, process.returncode


def tidy(folder: Path) -> None:
    """What whoever looks after the disk does: folders found in the place of files go, before they are all of it."""
    for path in folder.glob("stockstream/*.damaged"):
        if path.is_dir():
            path.rmdir()


@contextmanager
def small_disk(base: Path) -> Iterator[tuple[Path, bool]]:
    """A small file system where we may mount one, else a folder; and whether it is one."""
    folder = base / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", _DISK_OPTIONS, "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield folder, mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def mutilate(rng: Random, outbox: Path) -> str:
    """Destroy something beside the log; returns what."""
    names = rng.choice([["acks"], ["acks-copy"], ["acks", "acks-copy"], ["lock"], ["lock", "acks"]])
    how = rng.choice(["absent", "empty", "cut in half", "flipped", "a folder"])
    for name in names:
        path = outbox / name
        if not path.is_file():
            continue
        data = bytearray(path.read_bytes())
        if how == "flipped" and data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            path.write_bytes(data)
        elif how in {"absent", "a folder"}:
            path.unlink()
        else:
            path.write_bytes(data[: len(data) // 2] if how == "cut in half" else b"")
        if how == "a folder":
            path.mkdir()
    return f"{' and '.join(names)} {how}"


def fill(folder: Path, rng: Random) -> str:
    """Take all bytes or all files of the disk."""
    others = folder / "of others"
    kind = rng.choice(["no byte left", "no file left"])
    try:
        others.mkdir(exist_ok=True)
        for number in range(10_000):
            (others / str(number)).write_bytes(b"x" * 65_536 if kind == "no byte left" else b"")
    except OSError:
        pass
    return kind


def run(kills: int, seed: int) -> dict[str, Any]:
    """Kill so often, then drain and count."""
    rng = Random(seed)
    accepted = 0
    faults: dict[str, int] = {}
    with (
        tempfile.TemporaryDirectory(prefix="stockstream-kills-") as base,
        NullKinesis(shards=4) as kinesis,
        small_disk(Path(base)) as (disk, mounted),
    ):
        for _ in range(kills):
            fault = "none"
            chance = rng.random()
            shutil.rmtree(disk / "of others", ignore_errors=True)
            tidy(disk)
            kinesis.set_faults(outage=rng.random() < 0.4, throttled_entries=rng.choice([0.0, 0.1]))
            if chance < 0.3 and (disk / "stockstream").is_dir():
                fault = mutilate(rng, disk / "stockstream")
            elif chance < 0.5 and mounted:
                fault = fill(disk, rng)
            faults[fault] = faults.get(fault, 0) + 1
            after = rng.uniform(-0.6, _KILL_WITHIN_SECONDS)
            accepted, _ = produce(kinesis.url, disk, accepted, after)
        shutil.rmtree(disk / "of others", ignore_errors=True)
        kinesis.set_faults(outage=False, throttled_entries=0.0)
        _, code = produce(kinesis.url, disk, accepted, None)
        report = kinesis.report({f"S{symbol:04d}": accepted for symbol in range(SYMBOLS)})
    return {
        "kills": kills,
        "small_disk": mounted,
        "accepted": accepted * SYMBOLS,
        "lost": report["lost"],
        "out_of_order": report["out_of_order"],
        "duplicated": report["duplicated"],
        "drained": code == 0,
        "faults": faults,
    }


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    result = run(arguments.kills, arguments.seed)
    arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    print({key: value for key, value in result.items() if key != "faults"})
    return 0 if (result["lost"], result["out_of_order"], result["drained"]) == (0, 0, True) else 1


if __name__ == "__main__":
    sys.exit(main())
