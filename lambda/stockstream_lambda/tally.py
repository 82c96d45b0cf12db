"""What one batch came to, for its log line and its metrics."""

from collections import Counter
from dataclasses import dataclass, field

from stockstream_lambda.alerts.alert import Alert
from stockstream_lambda.partition import Share


@dataclass(slots=True)
class Tally:
    """Counts of one batch.

    Attributes:
        records: Kinesis records received.
        stored: Quotes stored for the first time.
        late: Those among them that were out of order.
        duplicates: Quotes that were stored already.
        quarantined: User records in quarantine, by reason.
        alerts: Alerts that fired.
        alerts_published: Alerts that SNS took.
        alerts_unsent: Alerts that the sweep found waiting.
        conflicts: Appends that met somebody else's entry.
        recovered: Entries of another process of which something was missing.
        checkpoint_age_revisions: Revisions since the checkpoint, of the partition that has most.
        failed_partitions: Partitions with quotes that must come again.
        stopped_partitions: Partitions that take nothing any more.
        lag_ms: Time since Kinesis took the oldest record.
        rules: Fingerprint of the alert rules in force.
    """

    records: int = 0
    stored: int = 0
    late: int = 0
    duplicates: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    alerts: list[Alert] = field(default_factory=list)
    alerts_published: int = 0
    alerts_unsent: int = 0
    conflicts: int = 0
    recovered: int = 0
    checkpoint_age_revisions: int = 0
    failed_partitions: int = 0
    stopped_partitions: int = 0
    lag_ms: int = 0
    rules: str = ""

    def add(self, share: Share) -> None:
        """Count what a partition's share of the batch came to."""
        self.stored += share.stored
        self.late += share.late
        self.duplicates += share.duplicates
        self.alerts += share.alerts
        self.conflicts += share.conflicts
        self.recovered += share.recovered
