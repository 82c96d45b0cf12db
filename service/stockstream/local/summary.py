"""The result of a run of local mode, as JSON for programs; `view` renders it for people."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from stockstream.errors import InputError
from stockstream.exit_codes import ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What went in, and what was found of it at the other end.

    Attributes:
        source: Label of the source.
        is_market_data: False where the quotes are not the market's.
        polled: Quotes that the source gave.
        unchanged: Quotes not sent because nothing had changed.
        rejected: Quotes and lines refused by name.
        accepted: Quotes accepted into the outbox, each id once.
        late: Of the accepted, those older than the one before them of their symbol: stored, in no candle.
        sent: Quotes that Kinesis acknowledged.
        stored: Accepted quotes found as items of the quotes table.
        archived: Accepted quotes found as exactly one line of the archive.
        lost: Accepted quotes missing in the table or in the archive, and not in quarantine either.
        doubled: Accepted quotes with more than one line in the archive.
        waiting: Accepted quotes that were not sent yet and wait in the outbox for the next run.
        alerts: Alerts delivered by SNS in this run.
        quarantined: Bad records put into quarantine in this run.
        discarded: Kinesis records that the event source gave up on.
        elapsed_seconds: From the first poll to the last record resolved.
        endpoint_url: The emulator's.
        region: Where the resources are.
        resources: Names and addresses of what was made.
        error: Why the run ended early, or None.
    """

    source: str
    is_market_data: bool
    polled: int
    unchanged: int
    rejected: int
    accepted: int
    late: int
    sent: int
    stored: int
    archived: int
    lost: int
    doubled: int
    waiting: int
    alerts: int
    quarantined: int
    discarded: int
    elapsed_seconds: float
    endpoint_url: str
    region: str
    resources: dict[str, str]
    error: str | None = None

    @property
    def exit_code(self) -> ExitCode:
        """0 only where nothing was lost or doubled and the run ended as it should."""
        return ExitCode.FAILED if self.lost or self.doubled or self.error else ExitCode.DONE

    def write(self, path: Path) -> None:
        """Write as JSON.

        Raises:
            InputError: the file cannot be written.
        """
        try:
            path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        except OSError as exc:
            raise InputError(f"--summary {path}: cannot be written: {exc.strerror}") from exc


def check_summary_path(path: Path) -> None:
    """Find out before a run of hours, and not after it, that its summary cannot be written; writes nothing.

    Raises:
        InputError: the folder is not there, or file or folder may not be written.
    """
    folder = path.parent
    if not folder.is_dir():
        raise InputError(f"--summary {path}: there is no folder {folder}. Remedy: make it, or name another file")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise InputError(f"--summary {path}: may not be written. Remedy: name another file")
