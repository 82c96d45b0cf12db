"""Every command of README, CONTRIBUTING and docs/ runs as written, beside a local stack and with no AWS named."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from stockstream.cli._commands import stockstream
from tests.documented.commands import ROOT, Documented, documented_commands
from tests.local.local_command import LocalCommand

SAMPLE: Final = "examples/simulated-session.csv.gz"
COMMANDS: Final = documented_commands()

# First words of commands that are not run as written, and why; of these `--help` is run.
HELP_ONLY: Final = {
    "run": "the service of an AWS or an emulator that the environment names",
    "provision": "for an emulator that AWS_ENDPOINT_URL names",
    "consume": "for an emulator that AWS_ENDPOINT_URL names",
    "backfill AAPL": "asks Yahoo",
    "dashboard": "serves until Ctrl-C",
    "tail": "goes on until Ctrl-C",
}
# Commands named for themselves, without the argument that they need.
NAMED_ONLY: Final = {"alerts", "watch", "backfill", "outbox", "outbox export", "outbox inspect", "query"}
READS_THE_STACK: Final = {"audit", "candles", "doctor", "export", "latest", "query", "redrive", "tidy"}
GROUPS: Final = {"alerts", "outbox", "watch"}
# Refuses while the stack runs, so it is run on one at rest.
AT_REST: Final = {"rebuild"}


def kind_of(command: Documented) -> str:
    """How a command is tried: written, help, lasting, or at rest."""
    line = " ".join(command.arguments)
    if line in NAMED_ONLY or any(line == name or line.startswith(f"{name} ") for name in HELP_ONLY):
        return "help"
    if command.arguments[0] == "local":
        return "lasting"
    return "at rest" if command.arguments[0] in AT_REST else "written"


def reads_the_stack(command: Documented) -> bool:
    files_alone = command.arguments[:2] == ["query", "--list"] or "--archive" in command.arguments
    return not command.environment and not files_alone and command.arguments[0] in READS_THE_STACK


def of_kind(kind: str) -> list[object]:
    return [pytest.param(entry, id=f"{entry.page}: {entry.text}") for entry in COMMANDS if kind_of(entry) == kind]


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages take for granted: the examples, a query of one's own, a copy of the bucket."""
    folder = tmp_path_factory.mktemp("documented")
    shutil.copytree(ROOT / "examples", folder / "examples")
    (folder / "mine.sql").write_text("SELECT 1 AS one")
    (folder / "copy-of-the-bucket").mkdir()
    return folder


@pytest.fixture(name="endpoint_url", scope="module")
def _endpoint_url(folder: Path) -> Iterator[str]:
    with LocalCommand(folder).keep_running("--replay", str(folder / SAMPLE)) as outside:
        yield outside.endpoint_url


def environment_of(command: Documented, folder: Path, state: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STOCKSTREAM_", "AWS_"))}
    # As a terminal sets it; a machine of CI has none.
    terminal = {"HOME": str(folder), "SHELL": "/bin/bash"}
    own = {"STOCKSTREAM_LOCAL_STATE_DIR": str(state), "STOCKSTREAM_CACHE_DIR": str(folder / "c")}
    return kept | terminal | own | command.environment


def run(command: Documented, folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stockstream", *arguments],
        cwd=folder,
        env=environment_of(command, folder, folder / "state") | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", [pytest.param(entry, id=f"{entry.page}: {entry.text}") for entry in COMMANDS])
def test_every_option_that_a_page_names_is_one_of_the_commands(command: Documented) -> None:
    name = command.arguments[: 2 if command.arguments[0] in GROUPS else 1]
    done = CliRunner().invoke(stockstream, [*name, "--help"])

    assert done.exit_code == 0, done.output
    assert {option for option in command.options if option not in done.output} == set()


@pytest.mark.emulator
@pytest.mark.parametrize("command", of_kind("written"))
def test_a_documented_command_runs_as_written(command: Documented, folder: Path, endpoint_url: str) -> None:
    named = {"AWS_ENDPOINT_URL": endpoint_url} if "AWS_ENDPOINT_URL" in command.environment else {}
    done = run(command, folder, *command.arguments, **named)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    if reads_the_stack(command):
        assert f"on the local stack at {endpoint_url}" in done.stderr


@pytest.mark.emulator
@pytest.mark.parametrize("command", of_kind("at rest"))
def test_a_documented_command_runs_as_written_on_a_stack_at_rest(command: Documented, tmp_path: Path) -> None:
    code, _, said = LocalCommand(tmp_path).run("--replay", str(ROOT / SAMPLE))
    assert code == 0, said

    done = run(command, tmp_path, *command.arguments)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "on the local stack at rest" in done.stderr


@pytest.mark.emulator
@pytest.mark.parametrize("command", of_kind("lasting"))
def test_a_documented_run_starts_as_written_and_ends_with_exit_code_0(
    command: Documented, folder: Path, tmp_path: Path
) -> None:
    extra = () if "--replay" in command.arguments else ("--source", "simulated")  # no test asks Yahoo
    with subprocess.Popen(
        [sys.executable, "-m", "stockstream", *command.arguments, *extra],
        cwd=folder,
        env=environment_of(command, tmp_path, tmp_path / "state"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "sender_ready" in line:
                process.send_signal(signal.SIGTERM)

    assert process.returncode == 0, "".join(said)
    assert "sender_ready" in "".join(said)
    assert "Traceback" not in "".join(said)


def test_each_exception_is_of_a_command_that_a_page_has() -> None:
    lines = [" ".join(command.arguments) for command in COMMANDS]

    for name in (*HELP_ONLY, *NAMED_ONLY, *AT_REST):
        assert any(line == name or line.startswith(f"{name} ") for line in lines), name
