"""Builds the peers that are not Python, where their toolchains are: Amazon's KPL with Maven, aws-sdk-go-v2 with Go.

What cannot be built is `Absent`, with the reason: the benchmark says null and why, and goes on.
"""

import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

from benchmarks.sender_peers.environment import ROOT

_HERE: Final = Path(__file__).parent
_BUILT: Final = ROOT / "build" / "peers"
_BUILD_SECONDS_MAX: Final = 600


class Absent(Exception):  # noqa: N818 (no failure: it is not here)
    """A peer that this machine cannot build."""


@cache
def go_peer() -> tuple[str, ...]:
    """The command of the Go peer.

    Raises:
        Absent: no Go, or no modules.
    """
    binary = _BUILT / "go"
    _run_tool("go", "build", "-o", str(binary), ".", folder=_HERE / "go")
    return (str(binary),)


@cache
def kpl_peer() -> tuple[str, ...]:
    """The command of the KPL peer, but for its arguments.

    Raises:
        Absent: no Java, no Maven, or no artifacts.
    """
    classes, class_path = _BUILT / "kpl", _BUILT / "kpl.classpath"
    classes.mkdir(parents=True, exist_ok=True)
    if shutil.which("java") is None:
        raise Absent("java is not installed")
    goal = ("-q", "-B", "dependency:build-classpath", f"-Dmdep.outputFile={class_path}")
    _run_tool("mvn", *goal, folder=_HERE / "kpl")
    jars = class_path.read_text().strip()
    source = _HERE / "kpl" / "src" / "main" / "java" / "Kpl.java"
    _run_tool("javac", "-cp", jars, "-d", str(classes), str(source), folder=_HERE)
    options = _BUILT / "kpl.options"
    options.write_text(f'-cp "{classes}:{jars}"\n')
    return ("java", f"@{options}", "Kpl")


def absence(peer: Callable[[], tuple[str, ...]]) -> str | None:
    """Why a peer is not measured; None where it is."""
    try:
        peer()
    except Absent as exc:
        return str(exc)
    return None


def _run_tool(tool: str, *arguments: str, folder: Path) -> None:
    if shutil.which(tool) is None:
        raise Absent(f"{tool} is not installed")
    try:
        subprocess.run(
            [tool, *arguments], cwd=folder, check=True, capture_output=True, text=True, timeout=_BUILD_SECONDS_MAX
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as exc:
        said = str(exc.stderr or exc.stdout or exc).strip().splitlines()
        raise Absent(f"{tool} failed: {said[-1][:200] if said else exc}") from exc
