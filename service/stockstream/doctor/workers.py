"""The table of workers, and who has written into it lately; only where the watchlist is shared."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from stockstream.doctor.aws import check_table, guarded
from stockstream.doctor.findings import Finding, Status
from stockstream.settings import Settings
from stockstream.workers.table import read_workers
from stockstream_wire.storage import WORKERS_KEY


async def check_workers(dynamodb: Any, settings: Settings, now: Callable[[], datetime]) -> Finding:
    """See whether the table is one of workers, and count those whose heartbeat is recent."""
    table = await check_table(dynamodb, "workers", settings.workers_table, WORKERS_KEY)
    if table.status is not Status.OK:
        return table

    async def look() -> Finding:
        rows = await read_workers(dynamodb, settings.workers_table, settings.deployment)
        at = now()
        recent = [
            row
            for row in rows
            if at - datetime.fromisoformat(row.beat_at) <= timedelta(seconds=row.silent_after_seconds)
        ]
        serving = sum(row.is_serving for row in recent)
        detail = f"{table.detail}; {len(recent)} workers with a recent heartbeat, {serving} of them with quotes"
        if len(recent) > serving:
            remedy = "see their logs: their sources do not answer, and the others follow their symbols"
            return Finding(table.check, Status.WARNING, detail, remedy)
        return Finding(table.check, Status.OK, detail)

    return await guarded(table.check, look, missing="")
