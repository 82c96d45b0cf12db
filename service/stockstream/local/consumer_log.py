"""What the handler writes: every line into a file, its metrics into counters, its warnings into our log."""

import json
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import structlog

from stockstream.local.log_file import RotatingFile

_LOUD: Final = frozenset({"warning", "error", "critical"})
# A line that is not JSON comes from outside the handler's logger: a traceback, a library's print.
_FORWARDED_CHARACTERS: Final = 2_000

log = structlog.get_logger("stockstream.consumer")


class ConsumerLog:
    """Receives the lines of the handler's process.

    Attributes:
        totals: Sums of the EMF metrics since the start, by name.
        latest: Last value of each EMF metric.
    """

    def __init__(self, path: Path) -> None:
        self._file = RotatingFile(path)
        self.totals: Counter[str] = Counter()
        self.latest: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def quotes_done(self) -> int:
        """Quotes that the handler committed, found committed already, or set aside."""
        totals = self.totals
        return int(totals["QuotesStored"] + totals["QuotesDuplicate"] + totals["RecordsQuarantined"])

    def on_line(self, line: str) -> None:
        """Take one line, without its line end."""
        self._file.write(line + "\n")
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            if line.strip():
                log.warning("consumer_output", line=line[:_FORWARDED_CHARACTERS])
            return
        self._add_metrics(event)
        if str(event.get("level", "")).lower() in _LOUD:
            details = {key: value for key, value in event.items() if key not in {"event", "level", "timestamp", "_aws"}}
            log.warning(str(event.get("event", "consumer_output")), **details)

    def _add_metrics(self, event: dict[str, Any]) -> None:
        metadata = event.get("_aws")
        if not isinstance(metadata, dict):
            return
        for directive in metadata.get("CloudWatchMetrics", []):
            for metric in directive.get("Metrics", []):
                value = event.get(metric["Name"])
                if isinstance(value, int | float):
                    self.totals[metric["Name"]] += value  # type: ignore[assignment]
                    self.latest[metric["Name"]] = value
