"""The emulator's own environment: beside ours in a checkout, else made on first use in the user's cache.

MiniStack pins botocore exactly, and those pins must not meet ours. `emulator-requirements.txt` beside this file is what
uv.lock says of it, with hashes (`make docs` writes it).
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from stockstream.errors import LocalModeError
from stockstream.exit_codes import ExitCode
from stockstream.settings.paths import default_cache_dir

VARIABLE: Final = "STOCKSTREAM_EMULATOR_PYTHON"
REQUIREMENTS: Final = Path(__file__).with_name("emulator-requirements.txt")
_SHOWN_LINES: Final = 1


class EmulatorMissingError(LocalModeError):
    """The emulator is not installed, and cannot be installed now; the message says what to install."""

    exit_code = ExitCode.USAGE


def find_emulator_python(environ: Mapping[str, str]) -> Path:
    """Find the Python whose environment holds the emulator; made, with a word to the user, where there is none yet.

    Raises:
        EmulatorMissingError: there is none and it cannot be made; says what to install.
    """
    named = environ.get(VARIABLE)
    if named:
        if not Path(named).exists():
            raise EmulatorMissingError(f"{VARIABLE}={named}: no such file. {_remedy()}")
        return Path(named)
    beside_ours = Path(f"{sys.prefix}-emulator") / "bin" / "python"
    if beside_ours.exists():
        return beside_ours
    return _made(environment_folder(default_cache_dir()))


def environment_folder(cache_dir: Path) -> Path:
    """Where it is made: another for other pins, and for another Python."""
    pins = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:10]
    return cache_dir / f"emulator-{sys.version_info.major}.{sys.version_info.minor}-{pins}"


def _made(folder: Path) -> Path:
    python = folder / "bin" / "python"
    if python.exists():
        return python
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not python.exists():
                _make(folder)
    except OSError as exc:
        raise EmulatorMissingError(f"the AWS emulator cannot be installed into {folder}: {exc}. {_remedy()}") from exc
    return python


def _make(folder: Path) -> None:
    """Make it beside its place and move it there whole: one that was interrupted is never taken for one."""
    _say(f"installing the AWS emulator into {folder}: once, some 25 MB from the package index")
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    _run("making the environment", [sys.executable, "-m", "venv", str(partial)])
    pip = [str(partial / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--retries", "1"]
    _run("installing", [*pip, "--require-hashes", "--progress-bar", "off", "-r", str(REQUIREMENTS)])
    partial.rename(folder)
    _say("the AWS emulator is installed")


def _run(what: str, command: list[str]) -> None:
    """Run it, a line of progress for each package; its last words are the reason where it fails."""
    said: list[str] = []
    with subprocess.Popen(  # noqa: S603 - our own Python and pip
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        for line in process.stdout:
            said.append(line.strip())
            if line.startswith("Collecting "):
                _say(f"  {line.split()[1]}")
    if process.returncode:
        reason = " ".join([line for line in said if line][-_SHOWN_LINES:])
        raise EmulatorMissingError(f"the AWS emulator is not installed, and {what} failed: {reason}. {_remedy()}")


def _remedy() -> str:
    return (
        "Remedy: with a package index in reach (PIP_INDEX_URL) start again; or install it elsewhere, "
        f"`python3 -m venv DIR && DIR/bin/pip install --require-hashes -r {REQUIREMENTS}`, "
        f"and set {VARIABLE}=DIR/bin/python"
    )


def _say(text: str) -> None:
    print(f"stockstream: {text}", file=sys.stderr, flush=True)  # noqa: T201 - to the person who waits
