"""The service: settings in, every part made and joined, run until a stop, drained, reported."""

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from stockstream.audit import Ledger, open_ledger
from stockstream.aws import AwsConfig, resolve_aws
from stockstream.backfill import GapFiller, GapNotingSource, gap_filler, last_seen
from stockstream.clock import SYSTEM_CLOCK, Clock
from stockstream.exit_codes import ExitCode
from stockstream.gate import Gate
from stockstream.observability.health import serve_health
from stockstream.observability.metrics import WORKER_METRICS, ServiceMetrics
from stockstream.pipeline.loop import PipelineCounters, QuotePipeline
from stockstream.pipeline.ports import PipelineObserver
from stockstream.sender import Sender, SenderConfig, SenderStats
from stockstream.settings import Settings
from stockstream.source_kinds import source_kind
from stockstream.sources.base import Source
from stockstream.sources.factory import check_source, make_source
from stockstream.workers.adoption import Adoption, open_when_free
from stockstream.workers.membership import Membership
from stockstream.workers.opening import check_workers, join_workers, own_folder, shared

# Not ready when the source has given nothing for this many poll intervals, and at least this many seconds.
_LATE_INTERVALS: Final = 3
_LATE_SECONDS: Final = 30.0
# Other workers take over from one whose source has failed for this long; it goes on trying beside them.
_SERVES_FAILING_SECONDS: Final = 60.0

# Of the shutdown's time, this much is kept for closing: at most so many seconds, and so large a part.
_CLOSING_SECONDS: Final = 2.0
_CLOSING_SHARE: Final = 0.2

log = structlog.get_logger("stockstream.service")


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """How a run ended.

    Attributes:
        counters: What the run loop saw.
        sender: What the sender did.
        lost: Accepted quotes that were neither sent nor kept: of a memory-only outbox, dropped at its bound, or
            those of earlier runs that were destroyed on disk.
        failure: What the source was asked for and could not give, or None.
    """

    counters: PipelineCounters
    sender: SenderStats
    lost: int
    failure: str | None = None

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.FAILED if self.lost or self.failure else ExitCode.DONE


class Service:
    """One run of the service.

    Args:
        settings: What to do.
        aws: Where AWS is; from settings and environment unless given.
        clock: Time.
        observers: Told of accepted and refused quotes.
        health: Whether to serve /healthz, /readyz and /metrics.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        aws: AwsConfig | None = None,
        clock: Clock = SYSTEM_CLOCK,
        observers: Sequence[PipelineObserver] = (),
        health: bool = True,
    ) -> None:
        self._settings = settings
        self._aws = aws if aws is not None else resolve_aws(settings.region)
        self._clock = clock
        self._observers = observers
        self._health = health
        self._sender: Sender | None = None
        self._pipeline: QuotePipeline | None = None
        self._ledger: Ledger | None = None
        self._membership: Membership | None = None
        self._filler: GapFiller | None = None
        self.source: Source | None = None

    @property
    def counters(self) -> PipelineCounters:
        """What the run loop has seen so far."""
        return PipelineCounters() if self._pipeline is None else self._pipeline.counters

    @property
    def sender_stats(self) -> SenderStats | None:
        """What the sender has done so far; None before it is there."""
        return None if self._sender is None else self._sender.stats

    async def run(self, stop: asyncio.Event) -> ServiceReport:
        """Run until the source is through or `stop` is set, then drain within the deadline.

        Raises:
            StockstreamError: the source, the outbox or the health port cannot be used.
        """
        # Before anything is opened: a sender that is open drains first, and the reason would be told after that.
        check_workers(self._settings)
        await check_source(self._settings)
        shares = self._settings.workers == "auto"
        metrics = ServiceMetrics(self._readings, self._settings.deployment, WORKER_METRICS if shares else ())
        async with AsyncExitStack() as stack:
            alone = self._settings.outbox_dir
            if shares:
                self._settings = own_folder(self._settings, stack.enter_context(ExitStack()))
            settings = self._settings
            if self._health:
                port = await stack.enter_async_context(
                    serve_health(
                        settings.health_host,
                        settings.health_port,
                        not_ready_reasons=self._not_ready_reasons,
                        metrics=metrics,
                        allowed_hosts=settings.health_allowed_hosts,
                        details=self._health_details,
                    )
                )
                log.info("health_listening", host=settings.health_host, port=port)
            sender = open_when_free(self._new_sender, None if shares else alone, stop, self._clock)
            self._sender = await stack.enter_async_context(sender)
            if shares:
                self._membership = await stack.enter_async_context(
                    join_workers(settings, self._aws, self._clock, self._is_serving)
                )
                settings = self._settings = shared(settings, self._membership)
                leaving = asyncio.create_task(self._leave_at(stop, self._membership))
                stack.push_async_callback(_cancelled, leaving)
            if settings.outbox == "disk":
                adopting = asyncio.create_task(self._adoption(alone).run(), name="adoption")
                stack.push_async_callback(_cancelled, adopting)
            self.source = await make_source(settings, self._clock)
            self._log_start(self.source)
            kind = source_kind(self.source.label)
            gate = Gate(accept_unchanged=settings.send_unchanged, accept_late=kind.accepts_late)
            observers = list(self._observers)
            if settings.outbox == "disk":
                self._ledger = stack.enter_context(
                    open_ledger(
                        settings.ledger_folder,
                        keep_days=settings.ledger_keep_days,
                        max_bytes=settings.ledger_max_bytes,
                    )
                )
                observers.append(self._ledger)
            self._pipeline = QuotePipeline(
                self._noting_gaps(self.source, alone.parent),
                gate,
                self._sender,
                observers,
                monotonic=self._clock.monotonic,
            )
            emitting = asyncio.create_task(self._emit_metrics(metrics))
            stack.push_async_callback(_cancelled, emitting)
            stopping = asyncio.create_task(self._stopped_at(stop))
            stack.push_async_callback(_cancelled, stopping)
            self._filler = gap_filler(
                settings,
                self._aws,
                state=alone.parent,
                source=self.source.label,
                is_well=self._is_well,
                clock=self._clock,
            )
            filling = asyncio.create_task(self._fill_gaps())
            stack.push_async_callback(_cancelled, filling)
            await self._pipeline.run(stop)
            await _cancelled(filling)  # the time that is left is the drain's
            drain_seconds = self._drain_seconds(stopping.result() if stopping.done() else None)
            log.info("draining", unsent=self._sender.stats.unsent, deadline_seconds=round(drain_seconds, 1))
            await self._sender.drain(drain_seconds)
            report = self._report(self._sender.stats)
            self._emit_once(metrics, self.source.label)
        return report

    async def _stopped_at(self, stop: asyncio.Event) -> float:
        await stop.wait()
        return self._clock.monotonic()

    async def _leave_at(self, stop: asyncio.Event, membership: Membership) -> None:
        """Before the drain, and not after it: the others take over meanwhile."""
        await stop.wait()
        await membership.leave()

    def _is_serving(self) -> bool:
        """Whether the source answers: other workers leave its symbols to it."""
        counters = self.counters
        if counters.answered_at is None:
            return False
        failing_since = counters.failing_since
        return failing_since is None or self._clock.monotonic() - failing_since < _SERVES_FAILING_SECONDS

    def _adoption(self, alone: Path) -> Adoption:
        """Sends what workers that do not return have left on our disk."""
        stream, own = self._settings.stream, self._settings.outbox_dir
        return Adoption(alone, stream, own, self._new_sender, clock=self._clock, is_away=self._is_kinesis_away)

    def _new_sender(self, outbox: Path | None = None) -> Sender:
        """Over our own outbox, unless another is named."""
        config = self._sender_config()
        return Sender(config if outbox is None else dataclasses.replace(config, outbox_dir=outbox), aws=self._aws)

    def _health_details(self) -> Mapping[str, Any]:
        return {} if self._membership is None else {"workers": self._membership.status()}

    def _is_kinesis_away(self) -> bool:
        stats = self.sender_stats
        return stats is not None and stats.is_kinesis_away

    def _drain_seconds(self, stopped_at: float | None) -> float:
        """Seconds for the drain: all that the shutdown has, but for what is over already and what closing takes."""
        whole = self._settings.shutdown_seconds
        over = 0.0 if stopped_at is None else self._clock.monotonic() - stopped_at
        return max(0.0, whole - over - min(_CLOSING_SECONDS, whole * _CLOSING_SHARE))

    def _noting_gaps(self, source: Source, state: Path) -> Source:
        """Only the live market has gaps that `backfill` can fill; they are noted beside the outbox."""
        settings = self._settings
        if settings.outbox == "memory" or not source_kind(source.label).is_live:
            return source
        folder = settings.outbox_dir.parent
        return GapNotingSource(
            source,
            folder,
            interval_seconds=settings.poll_interval_seconds,
            clock=self._clock,
            last_seen=lambda label: last_seen(state, label),
        )

    async def _fill_gaps(self) -> None:
        if self._filler is not None:
            await self._filler.run()

    def _is_well(self) -> bool:
        """Whether the source has answered lately, and not failed since."""
        counters, source = self.counters, self.source
        if source is None or counters.answered_at is None or counters.failing_since is not None:
            return False
        late_seconds = max(self._late_seconds, _LATE_INTERVALS * source_kind(source.label).answers_every_seconds)
        return self._clock.monotonic() - counters.answered_at <= late_seconds

    @property
    def _late_seconds(self) -> float:
        return max(_LATE_SECONDS, _LATE_INTERVALS * self._settings.poll_interval_seconds)

    def _sender_config(self) -> SenderConfig:
        settings = self._settings
        return SenderConfig(
            stream=settings.stream,
            outbox_dir=settings.outbox_dir if settings.outbox == "disk" else None,
            outbox_max_bytes=settings.outbox_max_bytes,
            outbox_policy=settings.outbox_policy,
            aggregation=settings.sender_aggregation,
            record_max_bytes=settings.sender_record_max_bytes,
            transport=settings.sender_transport,
            call_timeout_seconds=settings.sender_call_seconds,
            away_after_seconds=settings.sender_away_seconds,
            close_seconds=settings.shutdown_seconds,
        )

    def _log_start(self, source: Source) -> None:
        settings = self._settings
        log.info(
            "service_started",
            source=source.label,
            is_market_data=source.is_market_data,
            symbols=len(settings.symbols.symbols) if source_kind(source.label).follows_watchlist else None,
            poll_interval_seconds=settings.poll_interval_seconds,
            stream=settings.stream,
            region=self._aws.region,
            outbox=str(settings.outbox_dir) if settings.outbox == "disk" else "memory",
        )
        if settings.outbox == "memory":
            log.warning("outbox_in_memory", meaning="a crash or a missed drain loses accepted quotes")

    def _report(self, stats: SenderStats) -> ServiceReport:
        in_memory = self._settings.outbox == "memory"
        failure = self._source_failure()
        lost = stats.lost + stats.dropped + (stats.unsent if in_memory else 0)
        report = ServiceReport(self.counters, stats, lost, failure)
        if failure is not None:
            log.error("source_failed", reason=failure)
        say = log.error if report.lost else log.info
        say(
            "service_stopped",
            accepted=self.counters.accepted,
            late=self.counters.late,
            sent=stats.sent,
            waiting_in_outbox=0 if in_memory else stats.unsent,
            lost=report.lost,
        )
        return report

    def _source_failure(self) -> str | None:
        source = self.source
        if source is None or (self._membership is not None and not self._membership.share.followed):
            return None
        if source.failure is None and source_kind(source.label).is_live and not self.counters.polled:
            reason = self.counters.failure or "it had not answered yet"
            return f"{source.label} never gave a quote: {reason}"
        return source.failure

    async def _emit_metrics(self, metrics: ServiceMetrics) -> None:
        while True:
            await self._clock.sleep(self._settings.metrics_interval_seconds)
            label = self.source.label if self.source is not None else "none"
            self._emit_once(metrics, label)

    def _emit_once(self, metrics: ServiceMetrics, source: str) -> None:
        if self._settings.emf_metrics:
            log.info("metrics", **metrics.emf_fields(self._epoch_ms(), {"source": source}))

    def _epoch_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)

    def _readings(self) -> Mapping[str, float]:
        counters, stats, membership = self.counters, self.sender_stats, self._membership
        return {
            "WorkersAlive": membership.alive if membership else 0,
            "WorkersTableAwaySeconds": membership.away_seconds if membership else 0,
            "SymbolsFollowed": membership.share.followed if membership else 0,
            "QuotesPolled": counters.polled,
            "QuotesAccepted": counters.accepted,
            "QuotesUnchanged": counters.unchanged,
            "QuotesRejected": counters.rejected,
            "SymbolsRefused": self._pipeline.refusals.lasting if self._pipeline else 0,
            "SourceFailures": counters.source_failures,
            "QuotesBackfilled": self._filler.counters.quotes if self._filler else 0,
            "GapsWaiting": self._filler.counters.gaps_waiting if self._filler else 0,
            "QuotesSent": stats.sent if stats else 0,
            "RecordsRetried": stats.retried if stats else 0,
            "RecordsThrottled": stats.throttled if stats else 0,
            "QuotesLost": stats.lost + stats.dropped if stats else 0,
            "OutboxWaiting": stats.outbox_waiting if stats else 0,
            "OutboxBytes": stats.outbox_bytes if stats else 0,
            "LedgerBytes": self._ledger.size_bytes if self._ledger else 0,
            "OutboxAgeSeconds": stats.outbox_age_seconds if stats else 0,
            "LaneDepth": stats.lane_depth if stats else 0,
            "PutLatencyMs": stats.put_latency_ms if stats else 0,
            "KinesisAway": int(self._is_kinesis_away()),
            "Heartbeat": 1,
        }

    def _not_ready_reasons(self) -> list[str]:
        reasons = []
        stats = self.sender_stats
        if self._pipeline is None or self._pipeline.last_batch_at is None:
            reasons.append("the source has not answered yet")
        else:
            silent_seconds = self._clock.monotonic() - self._pipeline.last_batch_at
            if silent_seconds > self._late_seconds:
                reasons.append(f"the source has been silent for {silent_seconds:.0f} s")
        if stats is not None and stats.blocked_by:
            reasons.append(f"Kinesis refuses: {stats.blocked_by}")
        elif self._is_kinesis_away():
            reasons.append("Kinesis cannot be reached; quotes wait in the outbox")
        return reasons


async def _cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
