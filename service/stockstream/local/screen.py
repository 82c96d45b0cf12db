"""From a run to the snapshot that the live view draws."""

import math
import time
from collections import deque
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from stockstream.local.stages import notices, stage_rows
from stockstream.local.view import AlertRow, SymbolRow, ViewState
from stockstream_wire import Quote

if TYPE_CHECKING:
    from stockstream.local.run import LocalRun

ALERTS_KEPT: Final = 50


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
    return ViewState(
        source=source.label if source else run.settings.source,
        is_market_data=source.is_market_data if source else True,
        source_detail=_source_detail(run),
        endpoint_url=run.emulator.endpoint_url,
        uptime_seconds=time.monotonic() - run.started_at,
        page_url=run.page_url,
        look_command=run.look_command,
        phase=run.phase if run.tally.latest or run.phase != "running" else "starting",
        is_stopping=run.stop.is_set(),
        symbols=_symbols(run),
        stages=stage_rows(run),
        alerts=list(alerts.rows),
        alerts_total=run.inbox.received,
        notices=notices(run),
    )


def _source_detail(run: "LocalRun") -> str:
    settings = run.settings
    if settings.source == "simulated":
        return run.simulated_because
    if settings.source != "replay":
        return ""
    speed = "max speed" if math.isinf(settings.replay_speed) else f"{settings.replay_speed:g}x"
    return f"{', '.join(path.name for path in settings.replay_files)} at {speed}"


def _symbols(run: "LocalRun") -> list[SymbolRow]:
    threshold = Decimal(str(run.settings.anomaly_threshold_percent))
    rows = []
    followed = run.followed.symbols()
    for symbol, quote in run.tally.latest.items():
        if followed is not None and symbol not in followed:
            continue
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
