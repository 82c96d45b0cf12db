"""The examples do what they say, and nothing of theirs ends in quarantine."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from scripts.notebook import NOTEBOOK, SAMPLE, STATE_VARIABLE, executed, texts_of
from tests.local.local_command import LocalCommand, Outside
from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_says_what_it_takes(example: Path) -> None:
    done = subprocess.run([sys.executable, str(example), "--help"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout


@pytest.fixture(name="local", scope="module")
def _local(tmp_path_factory: pytest.TempPathFactory) -> LocalCommand:
    return LocalCommand(tmp_path_factory.mktemp("examples"))


@pytest.fixture(name="outside", scope="module")
def _outside(local: LocalCommand) -> Iterator[Outside]:
    with local.keep_running("--replay", str(SAMPLE)) as outside:
        yield outside


# The first of the two: the sender's example stores symbols of its own.
@pytest.mark.emulator
@pytest.mark.usefixtures("outside")
def test_the_notebooks_cells_give_what_stands_below_them(local: LocalCommand) -> None:
    environment = local.clean_environment() | {STATE_VARIABLE: str(local.folder / "state")}

    notebook = executed(local.folder, environment)

    assert texts_of(notebook) == texts_of(nbformat.read(NOTEBOOK, as_version=4)), "python -m scripts.notebook"


@pytest.mark.emulator
def test_the_senders_example_stores_its_nine_quotes_and_quarantines_nothing(outside: Outside, tmp_path: Path) -> None:
    environment = dict(os.environ) | {
        "AWS_ENDPOINT_URL": outside.endpoint_url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    example = str(ROOT / "examples" / "send_to_kinesis.py")
    done = subprocess.run(
        [sys.executable, example, "stockstream", str(tmp_path / "outbox")],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "sent 9 of 9, 0 wait" in done.stdout

    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        stored = [item for item in outside.scan("quotes") if item["symbol"]["S"].startswith("EXAMPLE-")]
        if len(stored) == 9 or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    assert len(stored) == 9
    assert outside.objects("quarantine/") == {}
