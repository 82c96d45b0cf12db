"""What becomes of accepted quotes when files of the outbox are destroyed: every mutilation, alone and in pairs.

`python -m benchmarks.outbox_mutilated --json FILE [--quick]`. For outboxes in their first, second and third life, with
and without segments that were dropped, with lanes that are acknowledged to different places: a copy of the folder, as a
kill leaves it, is mutilated, a sender is started on it and drained. For each case `{accepted, arrived, lost, told}`:
`lost` is what never arrived, `told` what the sender said of it. Exit code 1 where `lost` is not exactly the unsent
quotes whose bytes were destroyed, where it was not told to the digit, or where a second start finds more to tell.
"""

import argparse
import asyncio
import itertools
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import structlog

from benchmarks.null_kinesis.server import serve
from benchmarks.null_kinesis.stream import Stream
from benchmarks.null_kinesis.verify import QUOTE
from stockstream.aws import AwsConfig
from stockstream.outbox import DiskOutbox
from stockstream.outbox.frame import FRAME_MAGIC
from stockstream.outbox.scan import ScannedFrame, scan
from stockstream.sender import Sender, SenderConfig
from stockstream.sender.grid import lane_of_key
from stockstream_wire import deaggregate, is_aggregated

STREAM: Final = "stockstream"
FILES: Final = ("acks", "acks-copy", "lock", "first segment", "middle segment", "last segment")
SYMBOLS: Final = 40
BATCH: Final = 20
QUICK_PAIRS: Final = 120
#: A quick run takes every mutilation alone in two of the outboxes only.
QUICK_TEMPLATES: Final = ((1, False), (2, True))
_STEADY_SECONDS: Final = 0.15


def _flip(data: bytes, at: int) -> bytes:
    changed, at = bytearray(data), min(at, len(data) - 1)
    changed[at] ^= 1 << (at % 8)
    return bytes(changed)


def _of_version(version: int) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        data = data.replace(FRAME_MAGIC, FRAME_MAGIC[:3] + b"%d" % version)
        return data.replace(b"SSACKS02", b"SSACKS%02d" % version)

    return change


# What is done to a file's bytes; None for those that are no file afterwards.
MUTILATIONS: Final[dict[str, Callable[[bytes], bytes] | None]] = {
    "absent": None,
    "empty": lambda _: b"",
    "cut in half": lambda data: data[: len(data) // 2],
    "cut by a byte": lambda data: data[:-1],
    "flipped in the first bytes": lambda data: _flip(data, 9) if data else b"x",
    "flipped in the middle": lambda data: _flip(data, len(data) // 2) if data else b"x",
    "flipped in the last frame": lambda data: _flip(data, len(data) - 20) if len(data) > 20 else b"x",
    "overwritten": lambda data: b"\xa5" * len(data),
    "of an older version": _of_version(1),
    "of a newer version": _of_version(3),
    "a folder": None,
    "a link to nowhere": None,
}


@dataclass
class Template:
    """An outbox as a kill leaves it."""

    name: str
    folder: Path
    accepted: int
    # Quotes that had arrived and were acknowledged: (symbol, number).
    arrived: set[tuple[str, int]]
    # Quotes of each frame on disk.
    frames: list[tuple[bytes, set[tuple[str, int]]]]

    @property
    def segments(self) -> list[Path]:
        return sorted((self.folder / STREAM).glob("*.log"))


class Endpoint:
    """The null Kinesis in this process, emptied for every case."""

    def __init__(self, stream: Stream, url: str) -> None:
        self.stream = stream
        self.url = url

    def arrived(self) -> set[tuple[str, int]]:
        found = set()
        for record in self.stream.records:
            payloads = [user.data for user in deaggregate(record.data)] if is_aggregated(record.data) else [record.data]
            found |= {_name(payload) for payload in payloads}
        return found

    def sender(self, folder: Path) -> Sender:
        config = SenderConfig(
            stream=STREAM, outbox_dir=folder, outbox_max_bytes=2**20, linger_seconds=0.001, close_seconds=0.0
        )
        return Sender(config, AwsConfig("us-east-1", self.url, "test", "test"))


@asynccontextmanager
async def endpoint() -> AsyncIterator[Endpoint]:
    """Serve the null Kinesis in this process."""
    stream = Stream(STREAM, shards=2)
    server, port = await serve(stream, "127.0.0.1", 0)
    try:
        yield Endpoint(stream, f"http://127.0.0.1:{port}")
    finally:
        server.close()
        stream.close_connections()


def _name(payload: bytes) -> tuple[str, int]:
    found = QUOTE.match(payload)
    assert found is not None
    return found[2].decode(), int(found[1])


async def make_template(  # noqa: C901 (a script of what happens)
    kinesis: Endpoint, base: Path, life: int, *, dropped: bool
) -> Template:
    """Run a sender through so many lives, the last of which ends as a kill ends it.

    Args:
        kinesis: Where it sends.
        base: Folder for it.
        life: In the first, Kinesis is away from the start unless segments are to be dropped.
        dropped: Whether some segments have been acknowledged and dropped in the last life.
    """
    name = f"life {life}, {'with' if dropped else 'without'} dropped segments"
    folder, working = base / name, base / f"{name}, at work"
    made: dict[str, int] = {}
    numbers = itertools.count()

    def take() -> list[tuple[str, bytes]]:
        batch = []
        for _ in range(BATCH):
            symbol = f"S{next(numbers) % SYMBOLS:04d}"
            sequence = made.get(symbol, 0)
            made[symbol] = sequence + 1
            batch.append((symbol, (b'{"seq":%010d,"symbol":"%s"' % (sequence, symbol.encode())).ljust(299) + b"}"))
        return batch

    stream = kinesis.stream
    stream.reset(2)
    for each in range(1, life + 1):
        stream.faults.outage = each == 1 and not dropped
        stream.refuse_partition_key = ""
        async with kinesis.sender(working) as sender:
            if not stream.faults.outage:
                for _ in range(40 if dropped else 5):
                    await sender.send(take())
                assert await sender.drain(30) == 0
                # One lane is stuck, the others go on: they are acknowledged to different places.
                stream.refuse_partition_key = "lane-3"
                for _ in range(12):
                    await sender.send(take())
                await _steady(sender)
            stream.faults.outage = True
            for _ in range(60):
                await sender.send(take())
            if not sender.stats.lanes:
                await asyncio.sleep(_STEADY_SECONDS)
            else:
                await _steady(sender)
            if each == life:
                shutil.copytree(working, folder)
    stream.faults.outage = False
    stream.refuse_partition_key = ""
    shutil.rmtree(working)
    template = Template(name, folder, sum(made.values()), kinesis.arrived(), [])
    for path in template.segments:
        data = path.read_bytes()
        for piece in scan(data):
            assert isinstance(piece, ScannedFrame), piece
            raw = data[piece.start : piece.end]
            quotes = {(symbol.decode(), int(number)) for number, symbol in QUOTE.findall(raw)}
            template.frames.append((raw, quotes))
    assert len(template.segments) > 2
    return template


async def _steady(sender: Sender) -> None:
    """Wait until no more quotes are acknowledged."""
    sent = -1
    while sent != (sent := sender.stats.sent):  # noqa: ASYNC110 (it has no event for this)
        await asyncio.sleep(_STEADY_SECONDS)


def mutilate(template: Template, folder: Path, file: str, mutilation: str) -> None:
    """Do it to one file of a copy of the template."""
    segments = template.segments
    names = {
        "first segment": segments[0].name,
        "middle segment": segments[len(segments) // 2].name,
        "last segment": segments[-1].name,
    }
    path = folder / STREAM / names.get(file, file)
    data = path.read_bytes()
    change = MUTILATIONS[mutilation]
    if change is not None:
        path.write_bytes(change(data))
        return
    path.unlink()
    if mutilation == "a folder":
        path.mkdir()
        (path / "something").write_text("of somebody")
    elif mutilation == "a link to nowhere":
        path.symlink_to("nowhere")


async def run_case(
    kinesis: Endpoint, template: Template, base: Path, mutilations: list[tuple[str, str]]
) -> dict[str, Any]:
    """Mutilate a copy, start twice, and compare; `fault` names what is not as it should be."""
    folder = base / "case"
    shutil.copytree(template.folder, folder)
    try:
        for file, mutilation in mutilations:
            mutilate(template, folder, file, mutilation)
        intact = b"".join(path.read_bytes() for path in (folder / STREAM).glob("*.log") if path.is_file())
        destroyed = set().union(*(quotes for raw, quotes in template.frames if raw not in intact))
        kinesis.stream.reset(2)
        async with kinesis.sender(folder) as sender:
            told = sender.stats.lost
            left = await sender.drain(30)
        arrived = template.arrived | kinesis.arrived()
        after = DiskOutbox(
            folder / STREAM, max_bytes=2**20, lane_of_key=lane_of_key, on_commit=lambda _batch, _frame: None
        )
        await after.open()
        again = (after.lost, after.unacknowledged)
        await after.close()
    finally:
        shutil.rmtree(folder)
    lost = template.accepted - len(arrived)
    expected = len(destroyed - template.arrived)
    result: dict[str, Any] = {"accepted": template.accepted, "arrived": len(arrived), "lost": lost, "told": told}
    if not (left == 0 and again == (0, 0) and lost == told == expected):
        result["fault"] = f"destroyed and unsent: {expected}; left: {left}; told and left at the next start: {again}"
    return result


def cases(rng: Random, pairs_max: int | None) -> Iterator[list[tuple[str, str]]]:
    """Every mutilation alone, then pairs of different files: all, or so many at random."""
    alone = [(file, mutilation) for file in FILES for mutilation in MUTILATIONS]
    yield []
    yield from ([one] for one in alone)
    pairs = [list(pair) for pair in itertools.combinations(alone, 2) if pair[0][0] != pair[1][0]]
    yield from pairs if pairs_max is None else rng.sample(pairs, pairs_max)


async def measure(life: int, dropped: bool, quick: bool, seed: int) -> dict[str, dict[str, Any]]:
    """Run all cases of one outbox."""
    results: dict[str, dict[str, Any]] = {}
    # In memory where there is such a place: what is tested is what is read, and thousands of syncs take their time.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 (a name of our own below it)
    with tempfile.TemporaryDirectory(prefix="stockstream-mutilated-", dir=memory) as folder:
        base = Path(folder)
        async with endpoint() as kinesis:
            template = await make_template(kinesis, base, life, dropped=dropped)
            for case in cases(Random(seed), QUICK_PAIRS // len(QUICK_TEMPLATES) if quick else None):
                what = " + ".join(f"{file} {mutilation}" for file, mutilation in case) or "nothing"
                result = results[f"{template.name}: {what}"] = await run_case(kinesis, template, base, case)
                if "fault" in result:
                    print(f"FAULT {template.name}: {what}: {result}", flush=True)
    return results


def measure_in_process(life: int, dropped: bool, quick: bool, seed: int) -> dict[str, dict[str, Any]]:
    """`measure` for a process of its own."""
    # Thousands of damaged outboxes have much to say.
    structlog.configure(processors=[_drop], cache_logger_on_first_use=False)
    return asyncio.run(measure(life, dropped, quick, seed))


def _drop(_logger: Any, _method: str, _event: Any) -> Any:
    raise structlog.DropEvent


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="every mutilation alone, and some pairs")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    templates = QUICK_TEMPLATES if arguments.quick else tuple(itertools.product((1, 2, 3), (False, True)))
    results: dict[str, dict[str, Any]] = {}
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as processes:
        runs = [processes.submit(measure_in_process, *each, arguments.quick, arguments.seed) for each in templates]
        for run in as_completed(runs):
            results |= run.result()
            arguments.json.write_text(json.dumps(results, indent=2) + "\n")
            print(f"{len(results)} cases", flush=True)
    faults = sum("fault" in result for result in results.values())
    lost, told = (sum(result[field] for result in results.values()) for field in ("lost", "told"))
    print(f"{len(results)} cases: {lost} quotes destroyed and lost, {told} told, {faults} cases at fault")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
