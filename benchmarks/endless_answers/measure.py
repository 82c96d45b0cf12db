"""One case measured: the server in this process, the reader in another, whose memory is told."""

import asyncio
import json
import re
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.endless_answers.readers import CASES
from benchmarks.endless_answers.server import serve_answer

ROOT: Final = Path(__file__).parents[2]
# The largest bound is an S3 object's, 64 MiB; its blocks are joined once.
GROWTH_MAX_BYTES: Final = 160 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Result:
    """What one reader took and said; `is_told` where it said what it must."""

    is_told: bool
    before_bytes: int
    peak_bytes: int
    seconds: float
    said: str

    @property
    def growth_bytes(self) -> int:
        return self.peak_bytes - self.before_bytes

    @property
    def is_bounded(self) -> bool:
        """Whether memory stayed within bounds, and the answer was not taken for a good one."""
        return self.growth_bytes <= GROWTH_MAX_BYTES and self.is_told

    def figures(self) -> dict[str, Any]:
        return {"growth_bytes": self.growth_bytes, "peak_bytes": self.peak_bytes, "said": self.said}


async def measure(name: str) -> Result:
    """Run one case of `CASES`."""
    case = CASES[name]
    started = time.monotonic()
    async with AsyncExitStack() as stack:
        port = 0 if case.answer is None else await stack.enter_async_context(serve_answer(case.answer))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "benchmarks.endless_answers.readers",
            name,
            str(port),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, errors = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{name}: exit {process.returncode}: {errors.decode()[-2000:]}")
    told = json.loads(out.splitlines()[-1])
    is_told = re.search(case.said, told["said"]) is not None
    return Result(is_told, told["before_bytes"], told["peak_bytes"], time.monotonic() - started, told["said"])
