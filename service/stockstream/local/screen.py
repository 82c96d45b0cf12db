"""From a run to the snapshot that the live view draws."""

import math
import time
from collections import deque
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from stockstream.local.view import AlertRow, StageRow, StageStatus, SymbolRow, ViewState
from stockstream_wire import Quote

if TYPE_CHECKING:
    from stockstream.local.app import LocalRun

ALERTS_KEPT: Final = 50
# Drawn as late past this: twice the runner's poll interval, and the emulator's slowest answer.
_LATE_SECONDS: Final = 5.0


class AlertList:
    """The newest alerts of a run, as rows."""

    def __init__(self) -> None:
        self.rows: deque[AlertRow] = deque(maxlen=ALERTS_KEPT)

    def add(self, subject: str, message: Any) -> None:
        """Take an alert as SNS delivered it; newest first."""
        fields = message if isinstance(message, dict) else {}
        timestamp = str(fields.get("timestamp", ""))
        self.rows.appendleft(
            AlertRow(
                time=timestamp[11:19] or time.strftime("%H:%M:%S"),
                symbol=str(fields.get("symbol", "")),
                text=subject or str(message),
                is_severe=fields.get("severity") == "critical",
            )
        )


def view_state(run: "LocalRun", alerts: AlertList) -> ViewState:
    """Read every stage's numbers; quick, and without I/O."""
    source = run.service.source
    rejections = run.tally.rejections
    notice = f"rejected {rejections[-1].subject}: {rejections[-1].reason}" if rejections else ""
    return ViewState(
        source=source.label if source else run.settings.source,
        is_market_data=source.is_market_data if source else True,
        source_detail=_source_detail(run),
        endpoint_url=run.emulator.endpoint_url,
        uptime_seconds=time.monotonic() - run.started_at,
        phase=run.phase if run.tally.latest else "starting",
        symbols=_symbols(run),
        stages=_stages(run),
        alerts=list(alerts.rows),
        alerts_total=run.inbox.received,
        notice=notice,
    )


def _source_detail(run: "LocalRun") -> str:
    settings = run.settings
    if settings.source != "replay":
        return ""
    speed = "max speed" if math.isinf(settings.replay_speed) else f"{settings.replay_speed:g}x"
    return f"{', '.join(path.name for path in settings.replay_files)} at {speed}"


def _symbols(run: "LocalRun") -> list[SymbolRow]:
    threshold = Decimal(str(run.settings.anomaly_threshold_percent))
    rows = []
    for symbol, quote in run.tally.latest.items():
        row = SymbolRow(
            symbol=symbol,
            price=quote.price,
            previous_close=quote.previous_close,
            volume=quote.volume,
            prices=tuple(run.tally.prices[symbol]),
            is_anomaly=_is_anomaly(quote, threshold),
            is_stale=quote.stale,
        )
        rows.append(row)
    return rows


def _is_anomaly(quote: Quote, threshold_percent: Decimal) -> bool:
    change = abs(quote.price - quote.previous_close)
    return quote.previous_close > 0 and change / quote.previous_close * 100 > threshold_percent


def _stages(run: "LocalRun") -> list[StageRow]:
    counters, sender, records, totals = (
        run.service.counters,
        run.service.sender_stats,
        run.runner.stats,
        run.consumer_log.totals,
    )
    stages = [
        StageRow("source", counters.polled, note=_count_note(counters.source_failures, "failed calls")),
        StageRow(
            "gate", counters.accepted, note=_join(f"{counters.unchanged} unchanged", f"{counters.rejected} rejected")
        ),
    ]
    if sender is not None:
        stuck = sender.blocked_by or ("" if sender.breaker_state == "closed" else "Kinesis is away")
        stages += [
            StageRow(
                "outbox",
                sender.accepted,
                lag_seconds=sender.outbox_age_seconds,
                note=f"{sender.unsent} waiting",
                status=StageStatus.WAITING if sender.unsent else StageStatus.OK,
            ),
            StageRow(
                "kinesis",
                sender.sent,
                lag_seconds=sender.put_latency_ms / 1000,
                note=stuck or _count_note(sender.retried, "retried"),
                status=StageStatus.FAILED if stuck else StageStatus.OK,
            ),
        ]
    behind_seconds = records.millis_behind_latest / 1000
    quarantined = int(totals["RecordsQuarantined"])
    stages += [
        StageRow(
            "consumer",
            int(totals["QuotesStored"] + totals["QuotesDuplicate"]),
            lag_seconds=max(behind_seconds, run.consumer_log.latest.get("LagMs", 0.0) / 1000),
            note=_join(_count_note(records.invocation_failures, "failed"), _count_note(quarantined, "bad")),
            status=StageStatus.WARNING if behind_seconds > _LATE_SECONDS else StageStatus.OK,
        ),
        StageRow("DynamoDB", int(totals["QuotesStored"]), note=_count_note(int(totals["QuotesLate"]), "late")),
        StageRow("S3", int(totals["QuotesStored"]), note="archive"),
        StageRow("SNS", run.inbox.received, note="alerts"),
    ]
    return stages


def _count_note(count: int, what: str) -> str:
    return f"{count} {what}" if count else ""


def _join(*notes: str) -> str:
    return ", ".join(note for note in notes if note and not note.startswith("0 "))
