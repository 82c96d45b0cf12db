"""Compose v2 or v1.29, whichever is there, on a project and ports of our own."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]


def compose_command() -> list[str]:
    """Find Compose; v2 first."""
    if shutil.which("docker") and _succeeds(["docker", "compose", "version"]):
        return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    raise SystemExit("neither `docker compose` nor `docker-compose` is installed. Remedy: install Docker Compose")


def free_port() -> int:
    """Take a free port on loopback."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Compose:
    """One compose project.

    Attributes:
        environment: Variables of docker-compose.yml.
        project: Name of the project; its containers and volumes carry it.
    """

    environment: Mapping[str, str]
    project: str = "stockstream-e2e"
    command: list[str] = field(default_factory=compose_command)

    def run(self, *arguments: str, check: bool = True, quiet: bool = True) -> str:
        """Run a compose command and return its standard output."""
        done = subprocess.run(
            [*self.command, "-p", self.project, *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if quiet else None,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise SystemExit(f"compose {' '.join(arguments)} failed ({done.returncode}): {done.stderr or ''}")
        return done.stdout

    def container(self, service: str) -> dict[str, Any]:
        """Inspect the container of a service, running or not."""
        names = docker(
            "ps", "-aq", "--filter", f"label=com.docker.compose.project={self.project}",
            "--filter", f"label=com.docker.compose.service={service}",
        ).split()  # fmt: skip
        if not names:
            raise SystemExit(f"no container of service {service}")
        found: dict[str, Any] = json.loads(docker("inspect", names[0]))[0]
        return found

    def signal(self, service: str, name: str) -> None:
        """Send a signal to the container of a service."""
        docker("kill", "--signal", name, self.container(service)["Id"])

    def start(self, service: str) -> None:
        """Start the stopped container of a service."""
        docker("start", self.container(service)["Id"])


def docker(*arguments: str) -> str:
    """Run a docker command and return its standard output."""
    return subprocess.run(["docker", *arguments], stdout=subprocess.PIPE, text=True, check=True).stdout


def wait_for(what: str, condition: Callable[[], bool], timeout_seconds: float = 180) -> float:
    """Wait until the condition holds; returns the seconds it took.

    Raises:
        SystemExit: it did not within the time.
    """
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > timeout_seconds:
            raise SystemExit(f"waited {timeout_seconds:.0f} s in vain for: {what}")
        time.sleep(0.25)
    return time.monotonic() - began


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
