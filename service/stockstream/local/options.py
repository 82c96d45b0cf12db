"""What `stockstream local` was asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

KEEP_DAYS: Final = 7
LOCAL_REGION: Final = "us-east-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalOptions:
    """Options of `stockstream local` that are not settings of the service.

    Attributes:
        state_dir: Folder that keeps the state between runs.
        keep_days: What was stored within so many days is kept; 0 keeps everything.
        fresh: Empty that folder first.
        plain: Log lines in place of the live view.
        endpoint_port: Port of the emulator; None takes 4566 or any free one.
        keep_running: After a replay, keep the emulator up until Ctrl-C.
        for_seconds: End by itself after this long; None runs until the source ends or Ctrl-C.
        summary_path: Where to write the summary as JSON.
    """

    state_dir: Path
    keep_days: int = KEEP_DAYS
    fresh: bool = False
    plain: bool = False
    endpoint_port: int | None = None
    keep_running: bool = False
    for_seconds: float | None = None
    summary_path: Path | None = None
