"""Three workers share 300 symbols on one emulator: a kill, a restart of each, and an audit over all of it.

python -m benchmarks.workers [--json FILE] [--quick] [--symbols N] [--interval SECONDS] [--heartbeat SECONDS]

Real processes (`stockstream run`, source simulated, one disk), the embedded emulator, a real consumer. First all three
share the list and each symbol is polled by one; then one is killed (-9) and the time is taken until the last of its
symbols is polled by another; it comes back; each is restarted, stopped first; the audit compares all that was accepted
with all that is stored. Exit code 1 where a bound is missed.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from benchmarks.workers.fleet import Fleet
from benchmarks.workers.polls import between, longest_gap, overlapping, read_polls, takeover_seconds, workers_of
from stockstream.local.emulator import any_free_port, keep_off_proxies, run_emulator

WORKERS: Final = 3
TAKEOVER_SECONDS_MAX: Final = 15.0
GAP_INTERVALS_MAX: Final = 2.0
_REGION: Final = "us-east-1"


async def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run all of it."""
    interval: float = arguments.interval
    calm_seconds = (4 if arguments.quick else 10) * interval
    symbols = [f"S{number:03d}" for number in range(arguments.symbols)]
    keep_off_proxies(os.environ)
    async with AsyncExitStack() as stack:
        emulator = await stack.enter_async_context(run_emulator(folder, any_free_port(), region=_REGION))
        fleet = Fleet(folder, _environment(arguments, folder, emulator.endpoint_url, symbols))
        made = await fleet.command("provision", log_path=folder / "provision.log")
        assert await made.wait() == 0, (folder / "provision.log").read_text()
        checkpoints = str(folder / "checkpoints")
        consumer = await fleet.command("consume", "--checkpoints", checkpoints, log_path=folder / "consumer.log")
        stack.push_async_callback(_terminated, consumer)
        stack.push_async_callback(fleet.end)

        for _ in range(WORKERS):
            await fleet.start()
        await fleet.until_sharing(fleet.workers)
        await asyncio.sleep(interval)
        calm_from = time.time()
        await asyncio.sleep(calm_seconds)

        victim, *others = fleet.workers
        calm_to = killed_at = await victim.kill()
        await fleet.until_sharing(others)
        await asyncio.sleep(2 * interval)
        back_at = time.time()
        back = await fleet.start()
        await fleet.until_sharing([*others, back])
        await asyncio.sleep(calm_seconds)

        rolled_from, codes = time.time(), []
        running = [*others, back]
        for worker in list(running):
            codes.append(await worker.stop())
            running.remove(worker)
            running.append(await fleet.start())
            await fleet.until_sharing(running)
            await asyncio.sleep(interval)
        await asyncio.sleep(calm_seconds)
        rolled_to = time.time()
        codes += [await worker.stop() for worker in running]

        audit = await _audit(fleet, folder)
        polls = read_polls(fleet.ledger, [worker.holder for worker in fleet.workers])
    takeovers = takeover_seconds(polls, victim.name, killed_at)
    shares = workers_of(between(polls, calm_from, calm_to))
    rolled = between(polls, rolled_from, rolled_to)
    killed = between(polls, killed_at - interval, back_at)
    return {
        "workers": WORKERS,
        "symbols": len(symbols),
        "interval_seconds": interval,
        "heartbeat_seconds": arguments.heartbeat,
        "steady": {
            "seconds": round(calm_to - calm_from, 1),
            "symbols_polled_by_one": sum(len(found) == 1 for found in shares.values()),
            "shares": sorted(Counter(name for found in shares.values() for name in found).values()),
            "longest_gap_seconds": round(longest_gap(between(polls, calm_from, calm_to)), 2),
        },
        "kill": {
            "symbols_taken_over": len(takeovers),
            "takeover_seconds_max": round(max(takeovers), 2),
            "takeover_seconds_median": round(statistics.median(takeovers), 2),
            "overlapping_polls": overlapping(killed),
            "longest_gap_seconds": round(longest_gap(killed), 2),
        },
        "rolling_restart": {
            "seconds": round(rolled_to - rolled_from, 1),
            "polls": sum(len(found) for found in rolled.values()),
            "overlapping_polls": overlapping(rolled),
            "longest_gap_seconds": round(longest_gap(rolled), 2),
            "longest_gap_intervals": round(longest_gap(rolled) / interval, 2),
        },
        "exit_codes": codes,
        "polls": sum(len(found) for found in polls.values()),
        "audit": audit,
    }


def _environment(arguments: argparse.Namespace, folder: Path, endpoint_url: str, symbols: list[str]) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_REGION": _REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "STOCKSTREAM_SOURCE": "simulated",
        "STOCKSTREAM_SYMBOLS": ",".join(symbols),
        "STOCKSTREAM_POLL_INTERVAL_SECONDS": str(arguments.interval),
        "STOCKSTREAM_WORKERS": "auto",
        "STOCKSTREAM_WORKERS_HEARTBEAT_SECONDS": str(arguments.heartbeat),
        "STOCKSTREAM_OUTBOX_DIR": str(folder / "state" / "outbox"),
        "STOCKSTREAM_HEALTH_PORT": "0",
        "STOCKSTREAM_LOG_FORMAT": "json",
        "STOCKSTREAM_EMF_METRICS": "false",
    }


async def _audit(fleet: Fleet, folder: Path) -> dict[str, Any]:
    path = folder / "audit.json"
    process = await fleet.command("audit", "--json", "--ledger", str(fleet.ledger), log_path=path)
    code = await process.wait()
    text = path.read_text()
    report = json.loads(text[text.index("{") :])
    days = report["days"]
    return {
        "exit_code": code,
        **{name: sum(day[name] for day in days) for name in ("accepted", "accepted_again", "stored", "late")},
        "findings": sum(len(day["findings"]) for day in days),
    }


async def _terminated(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        await process.wait()


def missed(found: dict[str, Any]) -> list[str]:
    """Bounds that were missed."""
    checks = {
        "each symbol polled by one": found["steady"]["symbols_polled_by_one"] == found["symbols"],
        "takeover": found["kill"]["takeover_seconds_max"] <= TAKEOVER_SECONDS_MAX,
        "rolling restart": found["rolling_restart"]["longest_gap_intervals"] <= GAP_INTERVALS_MAX,
        "exit codes": not any(found["exit_codes"]),
        "audit": found["audit"]["exit_code"] == 0,
    }
    return [name for name, holds in checks.items() if not holds]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--quick", action="store_true", help="Shorter calm times, one-second intervals and heartbeats.")
    parser.add_argument("--symbols", type=int, default=300)
    parser.add_argument("--interval", type=float, default=2.0)
    parser.add_argument("--heartbeat", type=float, default=5.0)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="Keep logs and state here.")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.heartbeat = min(arguments.heartbeat, 1.0)
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        found = asyncio.run(measure(arguments, folder))
    found["missed"] = missed(found)
    text = json.dumps(found, indent=2)
    print(text)
    if arguments.json is not None:
        arguments.json.write_text(text + "\n")
    return int(bool(found["missed"]))


if __name__ == "__main__":
    sys.exit(main())
