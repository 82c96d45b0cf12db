"""Runs one sender in a process of its own and measures its CPU: `driver.py '{"sender": …}'`.

Modes: `flow` sends a number of quotes as fast as it can; `paced` offers a rate for a time and measures how long a call
of `send` holds its caller. Prints `ready`, then one line of JSON. Runs in the peers' environment as well as in ours.
"""

# See senders.py.
# mypy: ignore-errors
import asyncio
import gc
import json
import logging
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from benchmarks.sender_peers.senders import SENDERS
from benchmarks.sender_peers.workload import Workload


async def _flow(sender, workload, job):
    batch_size = job.get("batch", 1000)
    remaining = job["quotes"]
    while remaining > 0:
        count = min(batch_size, remaining)
        await sender.send(workload.batch(count))
        remaining -= count
        if job.get("pause"):
            await asyncio.sleep(job["pause"])
        if job.get("tell"):
            print(json.dumps({"accepted": workload.made[workload.names[0]]}), flush=True)
        if job.get("stopping"):
            break


async def _paced(sender, workload, job):
    longest, tick = 0.0, 0.1
    began = time.monotonic()
    for step in range(int(job["seconds"] / tick)):
        await asyncio.sleep(max(0.0, began + step * tick - time.monotonic()))
        start = time.monotonic()
        await sender.send(workload.batch(int(job["rate"] * tick)))
        longest = max(longest, time.monotonic() - start)
    return longest


async def main(job):
    logging.disable(logging.CRITICAL)
    sender = SENDERS[job["sender"]]()
    workload = Workload(job.get("symbols", 1000), job.get("zipf", False), job.get("first", 0))
    await sender.start(job["url"], outbox_dir=job.get("outbox_dir"), stream=job.get("stream", "stockstream"))
    if hasattr(sender, "ready") and not job.get("at_once"):
        await sender.ready()
    if job.get("sigterm"):
        # What a service does: stop accepting, drain, end.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: job.update(stopping=True))
    # What the imports made stays for good; without this every sender would pay for walking it again and again.
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    stall = 0.0
    cpu, began = time.process_time(), time.monotonic()
    if "rate" in job:
        stall = await _paced(sender, workload, job)
    else:
        await _flow(sender, workload, job)
    try:
        async with asyncio.timeout(job.get("finish_seconds", 300)):
            await sender.finish()
    except TimeoutError:
        pass
    result = {
        "cpu_seconds": time.process_time() - cpu - workload.cpu_seconds,
        "seconds": time.monotonic() - began,
        "stall_seconds": stall,
        "workload_cpu_seconds": workload.cpu_seconds,
        "made": workload.made,
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    try:
        import structlog
    except ImportError:
        pass
    else:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    asyncio.run(main(json.loads(sys.argv[1])))
