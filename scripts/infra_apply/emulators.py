"""The emulators, each a process of its own on a free port."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from socket import socket
from typing import Final

from stockstream.local.emulator_environment import find_emulator_python

_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 10.0
_HOST: Final = "127.0.0.1"

NAMES: Final = ("ministack", "moto")


@contextmanager
def run_emulator(name: str, folder: Path) -> Iterator[str]:
    """Run an emulator with nothing in it, and give its URL.

    Raises:
        RuntimeError: it does not come up; with the end of its log.
    """
    port = _free_port()
    url = f"http://{_HOST}:{port}"
    log_path = folder / f"{name}.log"
    with log_path.open("wb") as log:
        command, environment = _ministack(port, folder) if name == "ministack" else _moto(port)
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait_until_it_answers(process, url, log_path)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _ministack(port: int, folder: Path) -> tuple[list[str], dict[str, str]]:
    environment = _clean_environment() | {
        "BIND_HOST": _HOST,
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        # It must never look for Docker: everything here runs without.
        "DOCKER_HOST": "unix:///nonexistent",
        "TMPDIR": str(folder),
        "LOG_LEVEL": "WARNING",
    }
    return [str(find_emulator_python(os.environ)), "-m", "ministack"], environment


def _moto(port: int) -> tuple[list[str], dict[str, str]]:
    return [sys.executable, "-m", "moto.server", "--host", _HOST, "--port", str(port)], _clean_environment()


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}


def _wait_until_it_answers(process: subprocess.Popen[bytes], url: str, log_path: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own loopback URL
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    tail = " | ".join(log_path.read_text(errors="replace").strip().splitlines()[-3:])
    msg = f"{log_path.stem} does not answer at {url} (exit code {process.poll()}): {tail}"
    raise RuntimeError(msg)


def _free_port() -> int:
    with closing(socket()) as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
