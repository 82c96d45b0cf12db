"""What an audit finds, in the words that its output and its JSON use."""

from enum import StrEnum
from typing import Any

import msgspec

from stockstream.exit_codes import ExitCode


class Problem(StrEnum):
    """Kinds of findings that make an audit fail."""

    LEDGER_INCOMPLETE = "ledger_incomplete"
    MISSING_IN_ARCHIVE = "missing_in_archive"
    DOUBLE_IN_ARCHIVE = "double_in_archive"
    ARCHIVE_DIFFERS = "archive_differs"
    ARCHIVE_DAMAGED = "archive_damaged"
    MISSING_IN_QUOTES = "missing_in_quotes"
    ONLY_IN_QUOTES = "only_in_quotes"
    QUOTES_DIFFERS = "quotes_differs"
    ORDER_BROKEN = "order_broken"
    CANDLE_MISSING = "candle_missing"
    CANDLE_DIFFERS = "candle_differs"
    CANDLE_UNFOUNDED = "candle_unfounded"
    REVISION_MISSING = "revision_missing"
    CHECKPOINT_BEHIND = "checkpoint_behind"


class Finding(msgspec.Struct, frozen=True):
    """One thing that does not add up.

    Attributes:
        problem: What kind.
        symbol: Of which symbol, or of which partition of the log (`p4-03`); empty where it is of the whole day.
        subject: Event time, window, revision or object key.
        detail: The numbers behind it.
    """

    problem: Problem
    symbol: str
    subject: str
    detail: str = ""


class DayReport(msgspec.Struct, kw_only=True):
    """The audit of one day of event time.

    Attributes:
        day: UTC day.
        has_ledger: Whether the ledger knows the day; without it nothing can be said of what was accepted and vanished.
        accepted: Accepted quotes, each counted once.
        accepted_again: Quotes that the service accepted once more, after a restart that forgot the last quote.
        archived: Lines of the archive.
        stored: Items of the quotes table.
        candles: Candles compared.
        late: Stored quotes marked late.
        unlisted: Stored quotes that the ledger does not list (another service's, a backfill's, or a power loss).
        quarantined: Accepted quotes that are in quarantine, and therefore not lost.
        newer: Quotes accepted after the audit had begun, which it leaves out.
        findings: What does not add up.
    """

    day: str
    has_ledger: bool
    accepted: int = 0
    accepted_again: int = 0
    archived: int = 0
    stored: int = 0
    candles: int = 0
    late: int = 0
    unlisted: int = 0
    quarantined: int = 0
    newer: int = 0
    findings: list[Finding] = []

    @property
    def is_clean(self) -> bool:
        return not self.findings

    def counts(self) -> dict[str, int]:
        """Findings by kind."""
        found: dict[str, int] = {}
        for finding in self.findings:
            found[finding.problem] = found.get(finding.problem, 0) + 1
        return found


class AuditReport(msgspec.Struct, kw_only=True):
    """All days of an audit.

    Attributes:
        days: The days, in order.
        log: What is wrong with the log itself: revisions, checkpoints, damaged objects.
        failed_batches: How many messages wait in the on-failure queue, where it was asked.
    """

    days: list[DayReport]
    log: list[Finding] = []
    failed_batches: int | None = None

    @property
    def is_clean(self) -> bool:
        return not self.log and all(day.is_clean for day in self.days)

    @property
    def has_ledger(self) -> bool:
        """Whether it is known of every day what was accepted; only then can a loss be ruled out."""
        return bool(self.days) and all(day.has_ledger for day in self.days)

    @property
    def exit_code(self) -> ExitCode:
        """What the command ends with."""
        if not self.is_clean:
            return ExitCode.FAILED
        return ExitCode.DONE if self.has_ledger else ExitCode.UNPROVEN

    def to_json(self) -> bytes:
        """The report as `--json` prints it."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        plain["clean"] = self.is_clean
        plain["has_ledger"] = self.has_ledger
        for day, built in zip(self.days, plain["days"], strict=True):
            built["counts"] = day.counts()
        return msgspec.json.format(msgspec.json.encode(plain), indent=2)
