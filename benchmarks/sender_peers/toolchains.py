"""Builds the peers that are not Python, where their toolchains are: Amazon's KPL with Maven, aws-sdk-go-v2 with Go."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

from benchmarks.java_program import Absent, java_program, run_tool
from benchmarks.sender_peers.environment import ROOT

_HERE: Final = Path(__file__).parent


@cache
def go_peer() -> tuple[str, ...]:
    """The command of the Go peer.

    Raises:
        Absent: no Go, or no modules.
    """
    binary = ROOT / "build" / "peers" / "go"
    run_tool("go", "build", "-o", str(binary), ".", folder=_HERE / "go")
    return (str(binary),)


@cache
def kpl_peer() -> tuple[str, ...]:
    """The command of the KPL peer, but for its arguments.

    Raises:
        Absent: no JDK, no Maven, or no artifacts.
    """
    return tuple(java_program(_HERE / "kpl").command("Kpl"))


def absence(peer: Callable[[], tuple[str, ...]]) -> str | None:
    """Why a peer is not measured; None where it is."""
    try:
        peer()
    except Absent as exc:
        return str(exc)
    return None
