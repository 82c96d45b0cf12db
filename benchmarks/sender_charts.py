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
    """Bars of the quotes lost, of the caller's longest stall and of the CPU spent in an outage."""
    titles = {"lost": "quotes lost", "stall_seconds": "longest stall of the caller, s", "cpu_seconds": "CPU, s"}
    measured = {name: of_sender[fault] for name, of_sender in faults.items() if "lost" in of_sender.get(fault, {})}
    columns = {title: {name: found[field] for name, found in measured.items()} for field, title in titles.items()}
    _columns(path, list(measured), columns)


def stops_chart(faults: dict[str, Any], path: Path) -> None:
    """Bars of the quotes lost when the process is ended, by kill -9 and by SIGTERM."""
    stops = ("kill_9", "sigterm")
    names = [name for name in faults if any("lost" in faults[name].get(fault, {}) for fault in stops)]
    columns: dict[str, dict[str, float]] = {
        "quotes lost in a kill -9 (mean)": {},
        "quotes lost in a SIGTERM (worst)": {},
    }
    for column, fault in zip(columns.values(), stops, strict=True):
        for name in names:
            found = faults[name].get(fault, {})
            if "lost" in found:
                column[name] = found["lost"] / found.get("kills", 1)
    # From a handful to whole queues.
    _columns(path, names, columns, scale="symlog")


def _columns(path: Path, names: list[str], columns: dict[str, dict[str, float]], scale: str = "linear") -> None:
    """Draw one bar chart for each column, side by side; a sender that was not measured has no bar."""
    plt = _pyplot()

    figure, axes = plt.subplots(1, len(columns), figsize=(12, 0.4 * len(names) + 1.4), sharey=True)
    for axis, (title, values) in zip(axes, columns.items(), strict=True):
        lengths = [values.get(name, 0.0) for name in names]
        bars = axis.barh(names, lengths, color=[_OURS if name in OURS else _PEER for name in names])
        labels = [_label(values[name]) if name in values else "not measured" for name in names]
        axis.bar_label(bars, labels=labels, padding=3, fontsize=8)
        axis.set_title(title, fontsize=9)
        if any(lengths):
            axis.set_xscale(scale)
            axis.margins(x=0.2)
        else:
            axis.set_xlim(0, 1)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _label(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


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
