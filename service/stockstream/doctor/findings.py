"""What a check found, for a person and for a program."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """OK and SKIPPED need nothing; a WARNING may; a PROBLEM must be put right before the service works."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: Stable name: `source`, `credentials`, `stream`, `table_quotes`, `topic`, `clock`, ...
        status: How it stands.
        detail: What was found.
        remedy: What to do; empty where nothing is to be done.
        cause: What is behind it, where other checks may meet the same: `unreachable`, `credentials`, ...
    """

    check: str
    status: Status
    detail: str
    remedy: str = ""
    cause: str = ""


def one_cause_once(findings: Iterable[Finding]) -> list[Finding]:
    """Leave a cause to the first check that met it; the others were not answered, and point to it."""
    first: dict[str, str] = {}
    said = []
    for finding in findings:
        met_by = first.setdefault(finding.cause, finding.check) if finding.cause else finding.check
        if met_by != finding.check:
            finding = Finding(finding.check, Status.SKIPPED, f"the same as {met_by}")  # noqa: PLW2901
        said.append(finding)
    return said


def has_problem(findings: Iterable[Finding]) -> bool:
    """Whether any finding is a problem; the command then ends with exit code 1."""
    return any(finding.status is Status.PROBLEM for finding in findings)


def render_text(findings: Iterable[Finding]) -> str:
    """Render one line a finding, and its remedy under it."""
    lines = []
    for finding in findings:
        lines.append(f"{finding.status.value:<8} {finding.check:<18} {finding.detail}")
        if finding.remedy:
            lines.append(f"{'':<27} -> {finding.remedy}")
    return "\n".join(lines)


def render_json(findings: Iterable[Finding]) -> str:
    """Render `{"ok": bool, "findings": [{check, status, detail, remedy}]}`."""
    found = list(findings)
    return json.dumps(
        {
            "ok": not has_problem(found),
            "findings": [
                {"check": item.check, "status": item.status.value, "detail": item.detail, "remedy": item.remedy}
                for item in found
            ],
        },
        indent=2,
    )
