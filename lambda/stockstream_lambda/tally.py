"""What one batch came to, for its log line and its metrics."""

from collections import Counter
from dataclasses import dataclass, field

from stockstream_lambda.alerts.alert import Alert


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
        recovered: Redo logs found unfinished, and finished.
        failed_symbols: Symbols with quotes that must come again.
        lag_ms: Time since Kinesis took the oldest record.
    """

    records: int = 0
    stored: int = 0
    late: int = 0
    duplicates: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    alerts: list[Alert] = field(default_factory=list)
    alerts_published: int = 0
    recovered: int = 0
    failed_symbols: int = 0
    lag_ms: int = 0
