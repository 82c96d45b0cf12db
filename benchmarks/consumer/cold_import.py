"""Cold import of the handler against `import boto3` plus three clients, each in a fresh interpreter, interleaved."""

import json
import os
import statistics
import subprocess
import sys
from typing import Any

_OURS = """
import json, os, time
started = time.perf_counter()
import stockstream_lambda.handler as module
module._pipeline()
elapsed = time.perf_counter() - started
"""
_BOTO3 = """
import json, os, time
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


def measure(rounds: int = 9) -> dict[str, Any]:
    """Medians over `rounds` interleaved pairs, and the resident size after the handler's import."""
    ours, boto3, sizes = [], [], []
    for _ in range(rounds):
        mine = _run(_OURS)
        ours.append(mine["seconds"])
        sizes.append(mine["rss_bytes"])
        boto3.append(_run(_BOTO3)["seconds"])
    return {
        "cold_import_seconds": statistics.median(ours),
        "cold_import_boto3_seconds": statistics.median(boto3),
        "cold_import_ratio": statistics.median(ours) / statistics.median(boto3),
        "rss_bytes": int(statistics.median(sizes)),
    }


def _run(code: str) -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, "-c", code + _REPORT],
        env={**os.environ, **_ENVIRONMENT},
        capture_output=True,
        check=True,
        text=True,
    )
    result: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return result
