"""Answers of Kinesis that store nothing: what is said of them, and that nothing is lost once they end."""

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from stockstream.sender import Sender
from tests.patience import PATIENCE_SECONDS
from tests.sender.conftest import Kinesis, MakeSender, Quotes


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 (the sender has no event for this)
            await asyncio.sleep(0.005)


async def _assert_all_arrives(kinesis: Kinesis, sender: Sender, quotes: Quotes) -> None:
    assert await sender.drain(PATIENCE_SECONDS) == 0
    verdict = kinesis.verify(quotes.made)
    assert (verdict["lost"], verdict["out_of_order"]) == (0, 0)


async def test_a_refusal_of_single_entries_that_no_retry_cures_is_said_with_its_remedy(
    kinesis: Kinesis, make_sender: MakeSender, quotes: Quotes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stockstream.sender.breaker.PERMANENT_PROBE_SECONDS", 0.05)
    kinesis.stream.faults.refuse_entries = "KMSAccessDeniedException"
    with capture_logs() as logs:
        async with make_sender() as sender:
            await sender.send(quotes.take(50))
            await _until(lambda: sender.stats.blocked_by)
            kinesis.stream.faults.refuse_entries = ""
            await _assert_all_arrives(kinesis, sender, quotes)
            assert sender.stats.blocked_by == ""
    said = [entry for entry in logs if entry["event"] == "sender_blocked"]
    assert [entry["code"] for entry in said] == ["KMSAccessDeniedException"]
    assert "kms:GenerateDataKey" in said[0]["remedy"]


async def test_a_record_that_is_found_fault_with_even_alone_is_named_once_and_holds_its_lane_alone(
    kinesis: Kinesis, make_sender: MakeSender, quotes: Quotes
) -> None:
    with capture_logs() as logs:
        async with make_sender() as sender:
            await _until(lambda: sender.stats.lanes)
            kinesis.stream.faults.refuse_code = "InvalidArgumentException"
            await sender.send(quotes.take(1))
            await _until(lambda: sender.stats.failed_calls >= 3)
            kinesis.stream.faults.refuse_code = ""
            await sender.send(quotes.take(50))
            await _assert_all_arrives(kinesis, sender, quotes)
    said = [entry for entry in logs if entry["event"] == "record_refused_by_kinesis"]
    assert [entry["code"] for entry in said] == ["InvalidArgumentException"]


async def test_an_endpoint_that_answers_again_and_stores_nothing_is_not_back(
    kinesis: Kinesis, make_sender: MakeSender, quotes: Quotes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stockstream.sender.breaker.PROBE_MIN_SECONDS", 0.02)
    monkeypatch.setattr("stockstream.sender.breaker.PROBE_MAX_SECONDS", 0.05)
    faults = kinesis.stream.faults
    with capture_logs() as logs:
        async with make_sender() as sender:
            await sender.send(quotes.take(50))
            assert await sender.drain(PATIENCE_SECONDS) == 0
            faults.outage = True
            await sender.send(quotes.take(50))
            await _until(lambda: sender.stats.breaker_state != "closed")
            faults.throttled_entries = 1.0
            faults.outage = False
            throttled = sender.stats.throttled
            await _until(lambda: sender.stats.throttled >= throttled + 3)
            assert [entry for entry in logs if entry["event"] == "kinesis_back"] == []
            faults.throttled_entries = 0.0
            await _assert_all_arrives(kinesis, sender, quotes)
    assert [entry["event"] for entry in logs if entry["event"] == "kinesis_back"] == ["kinesis_back"]
