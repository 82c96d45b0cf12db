"""Charts of the sender's benchmarks, as SVG."""

from pathlib import Path
from typing import Any

from benchmarks.sender_peers.senders import OURS

_OURS, _PEER = "#1f6feb", "#9aa4b2"


def rate_chart(result: dict[str, Any], path: Path) -> None:
    """Bars of user records per CPU-second, clean."""
    rates = sorted(result["records_per_cpu_second"].items(), key=lambda item: item[1])
    _bars(
        path,
        [name for name, _ in rates],
        [rate / 1000 for _, rate in rates],
        "User records per CPU-second, thousands (300-byte quotes, 64 shards, null Kinesis)",
    )


def outage_chart(faults: dict[str, Any], fault: str, path: Path) -> None:
    """Bars of the quotes lost and of the CPU spent in an outage."""
    plt = _pyplot()

    names = [name for name in faults if fault in faults[name]]
    figure, axes = plt.subplots(1, 3, figsize=(12, 0.4 * len(names) + 1.4), sharey=True)
    titles = {"lost": "quotes lost", "stall_seconds": "longest stall of the caller, s", "cpu_seconds": "CPU, s"}
    for axis, (field, title) in zip(axes, titles.items(), strict=True):
        values = [faults[name][fault][field] for name in names]
        bars = axis.barh(names, values, color=[_OURS if name in OURS else _PEER for name in names])
        axis.bar_label(bars, fmt="%.3g", padding=3, fontsize=8)
        axis.set_title(title, fontsize=9)
        axis.margins(x=0.2)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _bars(path: Path, names: list[str], values: list[float], title: str) -> None:
    plt = _pyplot()

    figure, axis = plt.subplots(figsize=(9, 0.4 * len(names) + 1))
    bars = axis.barh(names, values, color=[_OURS if name in OURS else _PEER for name in names])
    axis.bar_label(bars, fmt="%.0f", padding=3, fontsize=8)
    axis.set_title(title, fontsize=9)
    axis.margins(x=0.1)
    axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    return plt
