"""Resident memory of the whole running service, as the production extras install it, and which package takes what.

`python -m benchmarks.service_memory --json FILE [--seconds 110] [--python python3.13]`. An environment of the extra
`service` alone, from `uv.lock`, is made in a temporary folder; `python -m stockstream run` there polls 5,000 symbols
from a stand-in Yahoo every 30 s, with calendars, into a Kinesis that stores nothing. Packages are measured in a second
process of the same environment, in the order in which they are imported: what an earlier one brings counts with it.
Needs Linux (`/proc`) and a package index or uv's cache.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import psutil

from benchmarks.null_kinesis import NullKinesis
from benchmarks.yahoo import SYMBOLS, standin

ROOT: Final = Path(__file__).resolve().parents[1]
UV: Final = ROOT / ".tools/bin/uv"
TARGET_BYTES: Final = 160_000_000

# From the bottom of the tree upwards, so that each figure is of the package and not of what it is built on.
_PACKAGES: Final = (
    "asyncio",
    "aiohttp",
    "aiobotocore.session",
    "pydantic_settings",
    "structlog",
    "numpy",
    "pandas",
    "curl_cffi",
    "yfinance",
    "exchange_calendars",
    "stockstream.pipeline.service",
)
_IMPORTS: Final = """
import importlib, json, sys
def rss():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
sizes, before = {"python": rss()}, rss()
for name in sys.argv[1:]:
    importlib.import_module(name)
    sizes[name], before = rss() - before, rss()
print(json.dumps(sizes))
"""


def install(folder: Path, python: str) -> Path:
    """Make an environment of the production extras in `folder`; returns its interpreter."""
    requirements, environment = folder / "requirements.txt", folder / "production"
    _uv("export", "-q", "--frozen", "--no-dev", "--no-emit-project", "--extra", "service", "-o", str(requirements))
    _uv("venv", "-q", "--python", python, str(environment))
    interpreter = environment / "bin/python"
    _uv("pip", "install", "-q", "--python", str(interpreter), "--require-hashes", "-r", str(requirements))
    _uv("pip", "install", "-q", "--python", str(interpreter), "--no-deps", str(ROOT))
    return interpreter


def _uv(*arguments: str) -> None:
    subprocess.run([UV, *arguments], cwd=ROOT, check=True)


def running_service(interpreter: Path, folder: Path, kinesis_url: str, *, seconds: float) -> list[int]:
    """Resident bytes of the service, once a second, for so long."""
    watchlist = folder / "watchlist.txt"
    watchlist.write_text("\n".join(f"S{number:04d}" for number in range(SYMBOLS)), encoding="utf-8")
    aws = {"AWS_ENDPOINT_URL": kinesis_url, "AWS_DEFAULT_REGION": "us-east-1"}
    secret = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    own = {
        "STOCKSTREAM_SYMBOLS": f"@{watchlist}",
        "STOCKSTREAM_OUTBOX_DIR": str(folder / "outbox"),
        "STOCKSTREAM_CACHE_DIR": str(folder / "cache"),
        # The ration would spread the first cycles over minutes: memory is the same, only later.
        "STOCKSTREAM_YAHOO_REQUESTS_PER_SECOND": "20",
        "STOCKSTREAM_POLL_INTERVAL_SECONDS": "30",
        "STOCKSTREAM_HEALTH_PORT": "0",
        "STOCKSTREAM_LOG_FORMAT": "json",
        "NO_PROXY": "127.0.0.1,localhost",
    }
    samples: list[int] = []
    with (folder / "service.log").open("wb") as log:
        service = subprocess.Popen(
            [interpreter, "-m", "stockstream", "run"],
            env=os.environ | aws | secret | own,
            cwd=folder,
            stdout=log,
            stderr=log,
        )
        try:
            process, until = psutil.Process(service.pid), time.monotonic() + seconds
            while time.monotonic() < until and service.poll() is None:
                samples.append(process.memory_info().rss)
                time.sleep(1)
        finally:
            service.terminate()
            service.wait(60)
    text = (folder / "service.log").read_text(encoding="utf-8")
    if service.returncode or '"sent"' not in text or '"sent": 0,' in text:
        raise SystemExit(f"the service sent nothing, or failed with {service.returncode}:\n{text[-3000:]}")
    return samples


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=110.0, help="how long the service runs; three cycles or more")
    parser.add_argument("--python", default="3.13", help="interpreter of the environment, as uv finds it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="service-memory-") as made:
        folder = Path(made)
        interpreter = install(folder, arguments.python)
        done = subprocess.run(
            [interpreter, "-c", _IMPORTS, *_PACKAGES], cwd=folder, check=True, stdout=subprocess.PIPE, text=True
        )
        packages: dict[str, int] = json.loads(done.stdout)
        with standin(0.0, folder / "yahoo"), NullKinesis(shards=4) as kinesis:
            samples = running_service(interpreter, folder, kinesis.url, seconds=arguments.seconds)
    result = {
        "symbols": SYMBOLS,
        "seconds": arguments.seconds,
        "rss_bytes": max(samples),
        "rss_end_bytes": samples[-1],
        "by_package_bytes": packages,
    }
    text = json.dumps(result, indent=2)
    arguments.json.write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0 if max(samples) <= TARGET_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
