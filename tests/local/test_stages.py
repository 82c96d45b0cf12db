"""What the lights and the sentences of the screen say of a run's numbers."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from types import SimpleNamespace
from typing import Any, cast

from stockstream.local.backlog import Backlog
from stockstream.local.run import LocalRun
from stockstream.local.stages import notices, stage_rows
from stockstream.local.tally import RunTally
from stockstream.local.view import StageRow, StageStatus
from stockstream.pipeline.loop import PipelineCounters
from stockstream.sender import SenderStats
from stockstream.settings import Settings
from stockstream.sources.base import Rejection


def run_of(
    counters: PipelineCounters | None = None,
    *,
    sender: dict[str, Any] | None = None,
    backlog: Backlog | None = None,
    rejections: Sequence[Rejection] = (),
) -> LocalRun:
    numbers: dict[str, Any] = {field.name: 0 for field in fields(SenderStats)}
    stats = SenderStats(
        **numbers | {"put_latency_ms": 1.0, "blocked_by": "", "breaker_state": "closed"} | (sender or {})
    )
    tally = RunTally()
    tally.on_rejected(rejections)
    run = SimpleNamespace(
        settings=Settings(),
        service=SimpleNamespace(counters=counters or PipelineCounters(), sender_stats=stats),
        consumer_log=SimpleNamespace(totals=Counter[str](), quotes_done=0),
        runner=SimpleNamespace(stats=SimpleNamespace(invocation_failures=0)),
        archive=SimpleNamespace(quotes=0, error=""),
        inbox=SimpleNamespace(received=0),
        backlog=backlog or Backlog(),
        phase="running",
        tally=tally,
    )
    return cast("LocalRun", run)


def stage(run: LocalRun, name: str) -> StageRow:
    return next(row for row in stage_rows(run) if row.name == name)


def test_an_outbox_whose_oldest_waits_too_long_is_late_and_not_only_waiting() -> None:
    young, old = ({"unsent": 83_795, "outbox_age_seconds": age} for age in (1.0, 22.0))
    assert stage(run_of(sender=young), "outbox").status is StageStatus.WAITING
    assert stage(run_of(sender=old), "outbox").status is StageStatus.WARNING
    assert stage(run_of(), "outbox").status is StageStatus.OK


def test_a_failing_source_is_said_with_its_reason_and_that_nobody_has_to_do_anything() -> None:
    counters = PipelineCounters()
    counters.failing_since, counters.failure = time.monotonic() - 7, "Yahoo: server error: HTTP 500"
    run = run_of(counters)

    assert stage(run, "source").status is StageStatus.FAILED
    said = notices(run)[0]
    assert said.status is StageStatus.FAILED
    assert said.text.endswith("and is asked on: Yahoo: server error: HTTP 500")


def test_what_was_refused_for_one_reason_is_said_together_the_newest_first() -> None:
    refused = [Rejection("AAPL", "bad_tick", "price 0")]
    refused += [
        Rejection(symbol, "unknown_symbol", "Yahoo has no quote for it") for symbol in ("A", "B", "A", "C", "D")
    ]

    text = notices(run_of(rejections=refused))[0].text

    assert text == "rejected D, C, A and 1 more: unknown_symbol, Yahoo has no quote for it"
