"""The workers that share a watchlist, in the API and on the page's health."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stockstream.local.provision import table_request
from stockstream.workers.members import Row
from stockstream.workers.table import WorkersTable
from stockstream_wire import format_timestamp
from stockstream_wire.storage import WORKERS_KEY
from tests.dashboard.devtools import browser_tab
from tests.dashboard.serving import served


async def test_each_worker_is_shown_as_it_said_last(tmp_path: Path) -> None:
    async with served() as api:
        await api.stored.dynamodb.create_table(**table_request("workers", WORKERS_KEY, None))
        table = WorkersTable(api.stored.dynamodb, "workers", "stockstream")
        now = datetime.now(UTC)
        for worker, serves, age in (("ada", True, 1), ("bob", False, 1), ("cyd", True, 100), ("dan", True, 100)):
            beat_at = format_timestamp(now - timedelta(seconds=age))
            heartbeat_seconds = 60.0 if worker == "dan" else 5.0
            row = Row(worker, 9, serves, 7, "host 1 /state/0", beat_at, heartbeat_seconds)
            await table.beat(row)

        told = json.loads((await api.get("/api/v1/health"))[1])["workers"]
        assert [(row["worker"], row["symbols"]) for row in told] == [("ada", 7), ("bob", 7), ("cyd", 7), ("dan", 7)]
        async with browser_tab(tmp_path / "profile") as tab:
            await tab.open(f"{api.url}health")
            assert await tab.until("document.querySelector('[aria-label=Workers] tbody tr') !== null")
            states = "[aria-label=Workers] tbody tr > :nth-child(2)"
            assert await tab.evaluate(
                f"[...document.querySelectorAll('{states}')].map((cell) => cell.textContent)"
            ) == [
                "follows its symbols",
                "has no answer of its source; others follow its symbols",
                "silent: after three of its heartbeats others follow its symbols",
                "follows its symbols",
            ]
            assert tab.complaints == []
