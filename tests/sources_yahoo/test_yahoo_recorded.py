"""Every recorded reply gives a quote or a named rejection, and docs/yahoo.md says which."""

import re
from pathlib import Path

import pytest

from benchmarks.yahoo_recorded import BEGIN, END, outcomes_of, table
from stockstream.sources.base import Rejection
from stockstream_wire import Quote, decode_quote, encode_quote

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT.parent / "shared" / "data" / "yahoo"
NAMED = re.compile(r"[a-z]+(_[a-z]+)*")

needs_recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded replies are not beside the repository")


@needs_recorded
def test_every_recorded_reply_is_a_valid_quote_or_a_named_rejection_or_a_missing_symbol() -> None:
    paths = sorted(RECORDED.glob("*.json"))
    assert paths

    outcomes = [outcome for path in paths for _, outcome in outcomes_of(path)]

    for outcome in outcomes:
        if isinstance(outcome, Rejection):
            assert NAMED.fullmatch(outcome.reason), outcome
        elif outcome is not None:
            assert decode_quote(encode_quote(outcome)) == outcome
    assert sum(isinstance(outcome, Quote) for outcome in outcomes) >= len(paths) // 3


@needs_recorded
def test_the_table_in_the_docs_is_what_the_code_does() -> None:
    page = (ROOT / "docs" / "yahoo.md").read_text(encoding="utf-8")

    assert page.split(BEGIN)[1].split(END)[0].strip() == table(RECORDED)
