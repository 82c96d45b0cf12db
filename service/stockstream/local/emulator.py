"""The embedded AWS emulator as a child process: find it, start it, wait until it answers, end it."""

import asyncio
import errno
import fcntl
import json
import os
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, MutableMapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import structlog

from stockstream.errors import LocalModeError
from stockstream.local._emulator_server import DEFAULT_SERVICES
from stockstream.local.emulator_environment import find_emulator_python

DEFAULT_PORT: Final = 4566
_HOST: Final = "127.0.0.1"
_LAUNCHER: Final = Path(__file__).with_name("_emulator_launcher.py")
# A bound against hanging: one that ends is seen at once, and a cold, busy machine is slow to start one.
_START_SECONDS: Final = 180.0
_STOP_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.05

# Descriptors of the claims on ports, which the end of the process gives back.
_claims: Final[list[int]] = []

log = structlog.get_logger("stockstream.local.emulator")


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator.

    Attributes:
        endpoint_url: What `AWS_ENDPOINT_URL` must be to talk to it.
        pid: Process id.
        log_path: Where its output goes.
    """

    endpoint_url: str
    pid: int
    log_path: Path


def choose_port(requested: int | None) -> int:
    """Choose the port to listen on: the requested one, else 4566, else any free one.

    Raises:
        LocalModeError: the requested port is taken.
    """
    if requested:
        if not _claim(requested):
            msg = (
                f"port {requested} on {_HOST} is taken by another program. "
                "Remedy: another --endpoint-port, or leave the option out for any free port"
            )
            raise LocalModeError(msg)
        return requested
    if _claim(DEFAULT_PORT):
        return DEFAULT_PORT
    port = any_free_port()
    log.info("endpoint_port_taken", taken=DEFAULT_PORT, using=port)
    return port


def _claim(port: int) -> bool:
    """Whether nobody has the port, or has claimed it: two runs that start together would both find it free.

    The emulator binds seconds later, and the kernel lets two of them share a port. The claim ends with this process.
    """
    if not _is_free(port):
        return False
    name = f"stockstream-{os.getuid()}-port-{port}.lock"
    claim = os.open(Path(tempfile.gettempdir()) / name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(claim)
        return False
    _claims.append(claim)
    return True


def any_free_port() -> int:
    """Choose a port that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def keep_off_proxies(environ: MutableMapping[str, str]) -> None:
    """Let this process and those it starts reach the emulator directly, whatever proxy the machine is behind."""
    for name in ("no_proxy", "NO_PROXY"):
        environ[name] = ",".join(part for part in (environ.get(name), _HOST) if part)


def check_saved_state(folder: Path) -> None:
    """Refuse a snapshot that the emulator would silently drop.

    Raises:
        LocalModeError: a file of the snapshot is not a JSON object; names it and the ways on.
    """
    for path in sorted(folder.glob("*.json")):
        try:
            if not isinstance(json.loads(path.read_bytes()), dict):
                raise ValueError("not a JSON object")  # noqa: TRY004, TRY301 - one message for all that it cannot read
        except ValueError as exc:
            msg = (
                f"the saved state is corrupt: {path}: {exc}. Remedy: start again with --fresh (discards what the last "
                "runs stored), or keep it for a look and use another folder: --state DIR"
            )
            raise LocalModeError(msg) from exc


@asynccontextmanager
async def run_emulator(
    state_dir: Path, port: int, *, region: str, services: Sequence[str] = DEFAULT_SERVICES
) -> AsyncIterator[Emulator]:
    """Run the emulator until the context ends, then let it save its state.

    Args:
        state_dir: Folder for its snapshot, its lock and its log.
        port: Free port on loopback.
        region: Region of resources that name none.
        services: What may be called, by the names of AWS's signature; nothing else is answered.

    Raises:
        LocalModeError: not installed, its state is corrupt or in use, or it does not come up.
    """
    python = find_emulator_python(os.environ)
    snapshot = state_dir / "emulator"
    snapshot.mkdir(parents=True, exist_ok=True)
    check_saved_state(snapshot)
    log_path = state_dir / "emulator.log"
    with log_path.open("wb") as log_file:
        process = await asyncio.create_subprocess_exec(
            str(python),
            str(_LAUNCHER),
            str(state_dir / "emulator.lock"),
            stdin=asyncio.subprocess.PIPE,
            stdout=log_file,
            stderr=log_file,
            # Ctrl-C in the terminal must reach us first: the emulator goes last.
            start_new_session=True,
            env=_environment(snapshot, port, region, services),
        )
    emulator = Emulator(f"http://{_HOST}:{port}", process.pid, log_path)
    try:
        await _wait_until_ready(process, emulator)
        yield emulator
    finally:
        await _stop(process)


def _environment(snapshot: Path, port: int, region: str, services: Sequence[str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    return kept | {
        "BIND_HOST": _HOST,
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": region,
        "SERVICES": ",".join(services),
        "IOT_MTLS_ENABLED": "0",
        # It must never look for Docker: everything here runs without.
        "DOCKER_HOST": "unix:///nonexistent",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(snapshot),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(snapshot / "s3"),
        "TMPDIR": str(snapshot),
        "LOG_LEVEL": "WARNING",
    }


async def _wait_until_ready(process: asyncio.subprocess.Process, emulator: Emulator) -> None:
    url = f"{emulator.endpoint_url}/_ministack/ready"
    try:
        async with asyncio.timeout(_START_SECONDS), aiohttp.ClientSession() as session:
            while process.returncode is None:
                with suppress(aiohttp.ClientError):
                    async with session.get(url) as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        reason = f"did not answer within {_START_SECONDS:.0f} s"
    else:
        reason = f"ended with exit code {process.returncode}"
    tail = emulator.log_path.read_text(errors="replace").strip().splitlines()[-3:]
    msg = f"the AWS emulator {reason}: {' | '.join(tail)} (log: {emulator.log_path})"
    raise LocalModeError(msg)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        log.warning("emulator_killed", pid=process.pid, waited_seconds=_STOP_SECONDS)
        process.kill()
        await process.wait()


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as exc:
            if exc.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
        return True
