"""The sample session says what it is, is small, and every row of it is a quote to the replay."""

import csv
import gzip
import io
from datetime import timedelta
from decimal import Decimal

from scripts.sample_session import INTERVAL_SECONDS, START, STEPS, SYMBOLS, TARGET
from stockstream.sources.replay import ReplaySource


def test_every_row_says_that_it_is_simulated_and_the_file_is_small() -> None:
    rows = list(csv.DictReader(io.StringIO(gzip.decompress(TARGET.read_bytes()).decode())))

    assert len(rows) == STEPS * len(SYMBOLS)
    assert {(row["source"], row["exchange"]) for row in rows} == {("simulated", "SIM")}
    assert TARGET.stat().st_size < 50_000
    assert "simulated" in TARGET.name


async def test_the_replay_takes_every_row_and_keeps_the_label_of_the_exchange() -> None:
    source = ReplaySource([TARGET])
    batches = [batch async for batch in source.batches()]
    await source.aclose()

    quotes = [quote for batch in batches for quote in batch.quotes]
    assert not [rejected for batch in batches for rejected in batch.rejected]
    assert len(quotes) == STEPS * len(SYMBOLS)
    assert {quote.exchange for quote in quotes} == {"SIM"}
    last = START + timedelta(seconds=(STEPS - 1) * INTERVAL_SECONDS)
    assert quotes[-1].timestamp == last.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def test_the_session_has_moves_that_the_published_rule_alerts_to() -> None:
    rows = csv.DictReader(io.StringIO(gzip.decompress(TARGET.read_bytes()).decode()))

    moved = {row["symbol"] for row in rows if abs(Decimal(row["price"]) / Decimal(row["previous_close"]) - 1) * 100 > 5}
    assert len(moved) >= 3
