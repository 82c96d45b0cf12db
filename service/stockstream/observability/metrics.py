"""The service's numbers, declared once, and their two faces: EMF in the log and Prometheus text."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

NAMESPACE: Final = "Stockstream"
COMPONENT: Final = "service"
DEFAULT_DEPLOYMENT: Final = "stockstream"
# One dimension set: each further one would be billed as metrics of its own, and alarms must not depend on the source.
DIMENSIONS: Final = ("Component", "Deployment")

# CloudWatch accepts at most 100 metrics in one EMF line.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
EMF_MAX_METRICS: Final = 100


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One number: its CloudWatch name and unit, its Prometheus name, and what it means."""

    name: str
    kind: Literal["counter", "gauge"]
    unit: str
    prometheus_name: str
    help: str


SERVICE_METRICS: Final = (
    MetricSpec("QuotesPolled", "counter", "Count", "quotes_polled", "Quotes that the source gave"),
    MetricSpec("QuotesAccepted", "counter", "Count", "quotes_accepted", "Quotes accepted into the outbox"),
    MetricSpec("QuotesUnchanged", "counter", "Count", "quotes_unchanged", "Quotes not sent because nothing changed"),
    MetricSpec("QuotesRejected", "counter", "Count", "quotes_rejected", "Quotes or lines refused by name"),
    MetricSpec("SymbolsRefused", "gauge", "Count", "symbols_refused", "Symbols refused for 5 minutes without a break"),
    MetricSpec("QuotesSent", "counter", "Count", "quotes_sent", "Quotes that Kinesis has acknowledged"),
    MetricSpec("RecordsRetried", "counter", "Count", "records_retried", "Kinesis records sent again"),
    MetricSpec("RecordsThrottled", "counter", "Count", "records_throttled", "Kinesis records refused for throughput"),
    MetricSpec("SourceFailures", "counter", "Count", "source_failures", "Calls to the source that failed"),
    MetricSpec("QuotesBackfilled", "counter", "Count", "quotes_backfilled", "Quotes of history that filled gaps"),
    MetricSpec("GapsWaiting", "gauge", "Count", "gaps_waiting", "Gaps of the last week that are not filled"),
    MetricSpec(
        "QuotesLost", "counter", "Count", "quotes_lost", "Accepted quotes dropped at the bound, or destroyed on disk"
    ),
    MetricSpec("OutboxWaiting", "gauge", "Count", "outbox_waiting", "1 while there is no room in the outbox"),
    MetricSpec("OutboxBytes", "gauge", "Bytes", "outbox_bytes", "Bytes accepted and not yet acknowledged"),
    MetricSpec("LedgerBytes", "gauge", "Bytes", "ledger_bytes", "Size of the ledger of accepted quotes"),
    MetricSpec("OutboxAgeSeconds", "gauge", "Seconds", "outbox_age_seconds", "Age of the oldest unsent quote"),
    MetricSpec("LaneDepth", "gauge", "Count", "lane_depth", "Quotes waiting in the deepest lane"),
    MetricSpec("PutLatencyMs", "gauge", "Milliseconds", "put_latency_ms", "Mean latency of recent PutRecords calls"),
    MetricSpec("KinesisAway", "gauge", "Count", "kinesis_away", "1 while Kinesis stores nothing or refuses"),
    MetricSpec("Heartbeat", "gauge", "Count", "heartbeat", "1 while the service runs; its absence is the alarm"),
)
# Of one worker among several; CloudWatch bills each metric, so a service that is alone has none of them.
WORKER_METRICS: Final = (
    MetricSpec("WorkersAlive", "gauge", "Count", "workers_alive", "Workers that share the watchlist, as this one sees"),
    MetricSpec("SymbolsFollowed", "gauge", "Count", "symbols_followed", "Symbols of the watchlist that are this one's"),
    MetricSpec(
        "WorkersTableAwaySeconds",
        "gauge",
        "Seconds",
        "workers_table_away_seconds",
        "For how long the table of workers has not answered",
    ),
)


class ServiceMetrics:
    """Reads numbers from their owners when asked, so that nothing is counted twice.

    Args:
        read: Returns the current value of every metric in `SERVICE_METRICS` by name; counters since start.
        deployment: Whose metrics these are; two deployments of one account have their own heartbeats and alarms.
        more: Further metrics that `read` gives.
    """

    def __init__(
        self,
        read: Callable[[], Mapping[str, float]],
        deployment: str = DEFAULT_DEPLOYMENT,
        more: Sequence[MetricSpec] = (),
    ) -> None:
        self._specs = (*SERVICE_METRICS, *more)
        self._read = read
        self._deployment = deployment
        self._last: dict[str, float] = {}
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Yield Prometheus families; called by the registry."""
        values = self._read()
        for spec in self._specs:
            name = f"stockstream_{spec.prometheus_name}"
            family = CounterMetricFamily if spec.kind == "counter" else GaugeMetricFamily
            yield family(name, spec.help, value=values[spec.name])

    def prometheus_text(self) -> bytes:
        """Render Prometheus text format 0.0.4."""
        return generate_latest(self.registry)

    def emf_fields(self, epoch_ms: int, properties: Mapping[str, str]) -> dict[str, Any]:
        """Fields of one EMF log line: counters as the difference since the last line, gauges as they are.

        Args:
            epoch_ms: Time of the line, milliseconds since 1970.
            properties: What the line tells beside its dimensions, such as the source.
        """
        values = self._read()
        fields: dict[str, Any] = {}
        for spec in self._specs:
            value = values[spec.name]
            if spec.kind == "counter":
                fields[spec.name] = value - self._last.get(spec.name, 0)
                self._last[spec.name] = value
            else:
                fields[spec.name] = value
        metadata = {
            "Timestamp": epoch_ms,
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": [list(DIMENSIONS)],
                    "Metrics": [{"Name": spec.name, "Unit": spec.unit} for spec in self._specs],
                }
            ],
        }
        return {"_aws": metadata, "Component": COMPONENT, "Deployment": self._deployment, **properties, **fields}
