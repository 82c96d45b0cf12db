"""What one batch came to, for its log line and its metrics."""

from collections import Counter
from dataclasses import dataclass, field

from stockstream_lambda.partition import Counts


@dataclass(slots=True, kw_only=True)
class Tally(Counts):
    """Counts of one batch, of all partitions together.

    Attributes:
        records: Kinesis records received.
        quarantined: User records in quarantine, by reason.
        alerts_published: Alerts that SNS took.
        alerts_unsent: Alerts that the sweep found waiting.
        checkpoint_age_revisions: Revisions since the checkpoint, of the partition that has most.
        failed_partitions: Partitions with quotes that must come again.
        stopped_partitions: Partitions that take nothing any more.
        lag_ms: Time since Kinesis took the oldest record.
        rules: Fingerprint of the alert rules in force.
    """

    records: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    alerts_published: int = 0
    alerts_unsent: int = 0
    checkpoint_age_revisions: int = 0
    failed_partitions: int = 0
    stopped_partitions: int = 0
    lag_ms: int = 0
    rules: str = ""

    def add(self, share: Counts) -> None:
        """Count what a partition's share of the batch came to."""
        self.stored += share.stored
        self.late += share.late
        self.duplicates += share.duplicates
        self.alerts += share.alerts
        self.conflicts += share.conflicts
        self.recovered += share.recovered
