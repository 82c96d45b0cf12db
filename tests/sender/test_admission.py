"""What Kinesis can take is told apart from what it cannot, record by record."""

import pytest

from stockstream.sender import admission
from stockstream.sender.admission import Admission


def test_nothing_is_no_batch() -> None:
    assert Admission(1000).admit([]) == (None, [])


@pytest.mark.parametrize(
    ("key", "reason"), [("", "empty_key"), ("x" * 257, "key_too_long"), ("\ud800", "key_not_unicode")]
)
def test_a_key_that_kinesis_refuses_is_refused_alone_and_by_name(key: str, reason: str) -> None:
    batch, rejected = Admission(100_000).admit([("AAPL", b"good"), (key, b"bad")])

    assert batch is not None
    assert list(batch.keys) == ["AAPL"]
    assert [(record.key, record.reason) for record in rejected] == [(key, reason)]


def test_where_all_are_refused_there_is_no_batch() -> None:
    batch, rejected = Admission(100_000).admit([("", b"bad")])

    assert batch is None
    assert len(rejected) == 1


def test_known_keys_are_bounded_and_all_are_taken_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "MAX_KNOWN_KEYS", 2)
    taking = Admission(100_000)
    for number in range(5):
        batch, rejected = taking.admit([(f"S{number}", b"data")])
        assert batch is not None
        assert not rejected
    assert len(taking._good_keys) <= 3


@pytest.mark.parametrize("known", [False, True])
def test_what_the_caller_does_with_its_list_afterwards_changes_nothing(known: bool) -> None:
    taking = Admission(100_000)
    if known:
        taking.admit([("AAPL", b"before")])
    records = [("AAPL", b"data")]
    batch, _ = taking.admit(records)
    records[0] = ("MSFT", b"of another length")
    records.append(("", b""))

    assert batch is not None
    assert (list(batch.keys), list(batch.datas), batch.size_bytes) == (["AAPL"], [b"data"], 4)
    assert list(batch.records) == [("AAPL", b"data")]
