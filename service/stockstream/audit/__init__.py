"""The end-to-end audit: what was accepted against what is stored (docs/audit.md)."""

from stockstream.audit.auditor import audit
from stockstream.audit.cutoff import Patience
from stockstream.audit.errors import AuditError
from stockstream.audit.findings import AuditReport, DayReport, Finding, Problem
from stockstream.audit.ledger import Ledger, open_ledger
from stockstream.audit.render import render
from stockstream.audit.stores import Stores

__all__ = [
    "AuditError",
    "AuditReport",
    "DayReport",
    "Finding",
    "Ledger",
    "Patience",
    "Problem",
    "Stores",
    "audit",
    "open_ledger",
    "render",
]
