"""Runs one sender in a process of its own and measures its CPU: `driver.py '{"sender": …}'`.

Modes: `flow` sends a number of quotes as fast as it can, from one task or from many (`callers`); `paced` offers a rate
for a time. All measure how long a call of `send` holds its caller: in full flow that is backpressure too. Prints
`ready`, then one line of JSON at the end. With `tell`, a line after every call of `send` that returned as well, so that
whoever kills this process knows what its caller had been told. Runs in the peers' environment as well as in ours.
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

from benchmarks.sender_peers.senders import CONTROL, SENDERS
from benchmarks.sender_peers.workload import Workload

CALLER_SAMPLE_QUOTES = 20_000


class _Caller:
    """Calls `send` and notes what came of it."""

    def __init__(self, sender, workload, job):
        self.sender, self.workload, self.job = sender, workload, job
        self.accepted = 0
        self.stall_seconds = 0.0
        self.sent_at = []
        self._cpu = time.process_time()

    @property
    def cpu_seconds(self):
        return time.process_time() - self._cpu - self.workload.cpu_seconds

    async def send(self, count):
        make = self.workload.take if self.job.get("stock") else self.workload.batch
        batch = make(count)
        start = time.monotonic()
        await self.sender.send(batch)
        self.stall_seconds = max(self.stall_seconds, time.monotonic() - start)
        self.accepted += count
        if self.job.get("tell"):
            told = {
                "accepted": self.accepted,
                "cpu_seconds": self.cpu_seconds,
                "stall_seconds": self.stall_seconds,
            }
            print(json.dumps(told), flush=True)

    async def flow(self):
        batch_size = self.job.get("batch", 1000)
        remaining = self.job["quotes"]
        while remaining > 0 and not self.job.get("stopping"):
            count = min(batch_size, remaining)
            await self.send(count)
            remaining -= count
            if "pause" in self.job:
                await asyncio.sleep(self.job["pause"])

    async def flow_from_many(self):
        """As many tasks as `callers` says, each with a call of its own."""
        calls = iter(range(self.job["quotes"] // self.job.get("batch", 1)))

        async def caller():
            for _ in calls:
                await self.send(self.job.get("batch", 1))

        await asyncio.gather(*(caller() for _ in range(self.job["callers"])))

    async def run(self):
        flow = self.paced if "rate" in self.job else self.flow_from_many if "callers" in self.job else self.flow
        await flow()
        self.workload.put_back()

    async def paced(self):
        tick = 0.1
        began = time.monotonic()
        for step in range(int(self.job["seconds"] / tick)):
            await asyncio.sleep(max(0.0, began + step * tick - time.monotonic()))
            self.sent_at.append(time.monotonic())
            await self.send(int(self.job["rate"] * tick))


async def caller_cpu_seconds(job):
    """What the caller itself costs: its loop, its tasks and its clock, with a sender that does nothing."""
    sample = job | {"quotes": min(job["quotes"], CALLER_SAMPLE_QUOTES)}
    caller = _Caller(SENDERS[CONTROL](), Workload(), sample)
    await caller.run()
    return caller.cpu_seconds * job["quotes"] / sample["quotes"]


async def main(job):
    logging.disable(logging.CRITICAL)
    sender = SENDERS[job["sender"]]()
    workload = Workload(
        job.get("symbols", 1000), job.get("zipf", False), job.get("first", 0), mixed=job.get("mixed", False)
    )
    where = {"outbox_dir": job.get("outbox_dir"), "stream": job.get("stream", "stockstream")}
    await sender.start(job["url"], **where, **job.get("settings", {}))
    if hasattr(sender, "ready") and not job.get("at_once"):
        await sender.ready()
    if job.get("sigterm"):
        # What our service does: stop accepting, drain, end.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: job.update(stopping=True))
    # What the imports made stays for good; without this every sender would pay for walking it again and again.
    gc.collect()
    gc.freeze()
    caller_seconds = await caller_cpu_seconds(job) if job.get("stock") else 0.0
    print("ready", flush=True)
    began = time.monotonic()
    caller = _Caller(sender, workload, job)
    await caller.run()
    try:
        async with asyncio.timeout(job.get("finish_seconds", 300)):
            await sender.finish()
    except TimeoutError:
        pass
    result = {
        "cpu_seconds": caller.cpu_seconds,
        "caller_cpu_seconds": caller_seconds,
        "seconds": time.monotonic() - began,
        "stall_seconds": caller.stall_seconds,
        "workload_cpu_seconds": workload.cpu_seconds,
        "made": workload.made,
        "sent_at": caller.sent_at,
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
