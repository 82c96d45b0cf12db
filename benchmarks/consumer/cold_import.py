"""Cold import of the handler against `import boto3` plus three clients, each in a fresh interpreter, interleaved.

Each side sees the packages it needs and no others, as on Lambda; `*_in_venv` is the same in the developer's
environment, where structlog finds `rich` and imports it.
"""

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_OURS = """
started = time.perf_counter()
import stockstream_lambda.handler as module
module.pipeline_of_this_process()
elapsed = time.perf_counter() - started
"""
_BOTO3 = """
started = time.perf_counter()
import boto3
clients = [boto3.client(name) for name in ("dynamodb", "s3", "sns")]
elapsed = time.perf_counter() - started
"""
_REPORT = """
with open("/proc/self/statm") as statm:
    pages = int(statm.read().split()[1])
print(json.dumps({"seconds": elapsed, "rss_bytes": pages * os.sysconf("SC_PAGE_SIZE")}))
"""
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "STOCKSTREAM_ALERTS_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:stockstream-alerts",
}


_OURS_NEEDS = ("stockstream_wire", "stockstream_lambda", "msgspec", "structlog", "tzdata")
_BOTO3_NEEDS = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")


def measure(rounds: int = 9) -> dict[str, Any]:
    """Medians over `rounds` interleaved pairs, and the resident size after the handler's import."""
    with tempfile.TemporaryDirectory() as folder:
        ours_path = _only(Path(folder) / "ours", _OURS_NEEDS)
        boto3_path = _only(Path(folder) / "boto3", _BOTO3_NEEDS)
        isolated = [(_run(_OURS, ours_path), _run(_BOTO3, boto3_path)) for _ in range(rounds)]
    in_venv = [(_run(_OURS), _run(_BOTO3)) for _ in range(rounds)]
    ours, boto3 = (_median(isolated, side) for side in (0, 1))
    return {
        "cold_import_seconds": ours,
        "cold_import_boto3_seconds": boto3,
        "cold_import_ratio": ours / boto3,
        "cold_import_ratio_in_venv": _median(in_venv, 0) / _median(in_venv, 1),
        "rss_bytes_imported": int(statistics.median(pair[0]["rss_bytes"] for pair in isolated)),
    }


def _median(pairs: list[tuple[dict[str, Any], dict[str, Any]]], side: int) -> float:
    return float(statistics.median(pair[side]["seconds"] for pair in pairs))


def _only(folder: Path, packages: tuple[str, ...]) -> str:
    """A folder that shows these packages of the environment and nothing else."""
    folder.mkdir()
    for package in packages:
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        (folder / source.name).symlink_to(source)
    return str(folder)


def _run(code: str, only: str | None = None) -> dict[str, Any]:
    head = "import json, os, sys, time\n"
    options = ["-I", "-S"] if only else []
    if only:
        head += f"sys.path.append({only!r})\n"
    run = subprocess.run(
        [sys.executable, *options, "-c", head + code + _REPORT],
        env={**os.environ, **_ENVIRONMENT},
        capture_output=True,
        check=True,
        text=True,
    )
    result: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return result
