"""The deployment zip: reproducible, and complete, as an interpreter that sees nothing else finds out."""

import json
import platform
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from stockstream_wire import encode_quote
from tests.consumer.conftest import World
from tests.consumer.kinesis_events import event, quote

ROOT = Path(__file__).resolve().parents[2]
UV = ROOT / ".tools" / "bin" / "uv"
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine(), "")

pytestmark = [
    pytest.mark.skipif(not UV.exists(), reason="uv is not in .tools/: run `make setup`"),
    pytest.mark.skipif(sys.platform != "linux" or not ARCHITECTURE, reason="Lambda's wheels run on Linux alone"),
    pytest.mark.xdist_group("lambda-zip"),
]

RUNNER = """
import json, sys, sysconfig
zip_content = sys.argv[1]
standard = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
sys.path = [p for p in sys.path if p.startswith(standard) and "site-packages" not in p] + [zip_content]
from stockstream_lambda.handler import handler
foreign = [
    name for name, module in sys.modules.items()
    if getattr(module, "__file__", None) and not module.__file__.startswith((*standard, zip_content))
]
assert not foreign, foreign
for heavy in ("boto3", "botocore", "pandas", "pydantic"):
    assert heavy not in sys.modules, heavy
answer = handler(json.load(sys.stdin), None)
print(json.dumps(answer))
"""


def build(output: Path) -> bytes:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    options = ("--architecture", ARCHITECTURE, "--python-version", version, "--output", str(output), "--uv", str(UV))
    subprocess.run([sys.executable, "-m", "scripts.build_lambda_zip", *options], cwd=ROOT, check=True)
    return output.read_bytes()


@pytest.mark.emulator
def test_the_zip_is_the_same_on_every_build_and_runs_where_nothing_else_is_installed(
    tmp_path: Path, world: World
) -> None:
    assert build(tmp_path / "one.zip") == build(tmp_path / "two.zip")
    content = tmp_path / "content"
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        archive.extractall(content)
        assert all(entry.date_time == (1980, 1, 1, 0, 0, 0) for entry in archive.infolist())

    config = world.config
    environment = {
        **world.environ,
        "STOCKSTREAM_QUOTES_TABLE": config.quotes_table,
        "STOCKSTREAM_CANDLES_TABLE": config.candles_table,
        "STOCKSTREAM_ALERTS_TABLE": config.alerts_table,
        "STOCKSTREAM_ARCHIVE_BUCKET": config.archive_bucket,
        "STOCKSTREAM_ALERTS_TOPIC_ARN": config.alerts_topic_arn or "",
        # Lambda has no time zone files of its own that one may rely on; the zip's tzdata must do.
        "PYTHONTZPATH": "",
    }
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", RUNNER, str(content)],
        input=json.dumps(event([encode_quote(quote("^VIX", price="110"))])),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout.splitlines()[-1]) == {"batchItemFailures": []}
    (item,) = world.items(config.quotes_table)
    assert (item["symbol"], item["anomaly"]) == ("^VIX", "Yes")
    assert len(world.messages()) == 2  # beyond 5% from the previous close, and opened so
