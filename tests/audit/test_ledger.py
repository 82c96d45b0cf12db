"""The ledger on disk: order, days, torn lines, old files, a disk that refuses."""

import os
from pathlib import Path

import pytest

from stockstream.audit.errors import AuditError
from stockstream.audit.ledger import Ledger, open_ledger
from stockstream.audit.ledger_reader import LedgerEntry, cut_ledger, digest_of
from stockstream_wire import encode_quote
from tests.audit.stored_day import DAY, QUOTES, quote


def read(directory: Path, symbol: str = "AAPL", day: str = DAY) -> list[LedgerEntry]:
    found = cut_ledger(directory).read(day)
    assert found is not None
    return found.accepted(symbol)


OTHER_DAY = quote(30, "1", 1, timestamp="2026-11-21T14:30:00.000Z")
OTHER_SYMBOL = quote(31, "5", 10, symbol="^VIX")


def test_what_is_appended_is_read_back_in_order_by_symbol(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "ledger") as ledger:
        ledger.append([QUOTES[0], OTHER_SYMBOL, OTHER_DAY])
        ledger.on_accepted(QUOTES[1:3])
    assert list(cut_ledger(tmp_path / "ledger").sizes_bytes) == [DAY, "2026-11-21"]
    found = read(tmp_path / "ledger")
    assert found == [LedgerEntry(item.timestamp, digest_of(encode_quote(item))) for item in QUOTES[:3]]
    assert read(tmp_path / "ledger", "^VIX")[0].digest == digest_of(encode_quote(OTHER_SYMBOL))
    assert read(tmp_path / "ledger", "MSFT") == []


def test_what_is_appended_after_the_cut_is_newer_and_not_accepted_by_then(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        ledger.append(QUOTES[:2])
        cut = cut_ledger(tmp_path)
        ledger.append([*QUOTES[2:], OTHER_SYMBOL, OTHER_DAY])
    found = cut.read(DAY)
    assert found is not None
    assert [entry.timestamp for entry in found.accepted("AAPL")] == [item.timestamp for item in QUOTES[:2]]
    assert [entry.timestamp for entry in found.newer("AAPL")] == [item.timestamp for item in QUOTES[2:]]
    assert found.symbols == {"AAPL"}
    assert found.last_accepted() == {("AAPL", QUOTES[1].timestamp)}
    assert cut.read(OTHER_DAY.timestamp[:10]) is None


def test_only_the_symbols_asked_for_are_read(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        ledger.append([*QUOTES, OTHER_SYMBOL])
    found = cut_ledger(tmp_path).read(DAY, lambda symbol: symbol == "^VIX")
    assert found is not None
    assert found.symbols == {"^VIX"}


def test_a_later_start_goes_on_in_the_same_file(tmp_path: Path) -> None:
    for item in QUOTES:
        with open_ledger(tmp_path) as ledger:
            ledger.append([item])
    assert len(read(tmp_path)) == len(QUOTES)


def test_a_line_cut_off_by_a_crash_spoils_no_other(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        ledger.append(QUOTES[:2])
    path = tmp_path / f"{DAY}.ledger"
    os.truncate(path, path.stat().st_size - 5)
    with open_ledger(tmp_path) as ledger:
        ledger.append(QUOTES[2:3])
    assert [entry.timestamp for entry in read(tmp_path)] == [QUOTES[0].timestamp, QUOTES[2].timestamp]


def test_a_day_without_a_file_is_unknown_and_not_empty(tmp_path: Path) -> None:
    assert cut_ledger(tmp_path).read(DAY) is None


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match=r"no ledger folder .*nowhere"):
        cut_ledger(tmp_path / "nowhere")


def test_files_not_written_for_the_time_kept_are_removed_and_others_are_left(tmp_path: Path) -> None:
    old, young, foreign = tmp_path / "2026-01-01.ledger", tmp_path / "2013-10-07.ledger", tmp_path / "notes.ledger"
    for path, age_days in ((old, 31), (young, 29), (foreign, 400)):
        path.write_text("")
        os.utime(path, (1e9 - age_days * 86_400,) * 2)
    ledger = Ledger(tmp_path, keep_days=30, now_seconds=lambda: 1e9)
    ledger.tended()
    ledger.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2013-10-07.000001.ledger.gz", "notes.ledger"]


def test_many_days_in_turn_keep_few_files_open(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
    with open_ledger(tmp_path) as ledger:
        for day in range(1, 29):
            ledger.append([quote(30, "1", 1, timestamp=f"2026-02-{day:02d}T14:30:00.000Z")])
        if before:
            assert len(list(Path("/proc/self/fd").iterdir())) <= before + 5
    assert len(cut_ledger(tmp_path).sizes_bytes) == 28


def test_a_disk_that_refuses_does_not_stop_the_pipeline(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    (tmp_path / "ledger").rmdir()
    ledger.append(QUOTES)
    (tmp_path / "ledger").mkdir()
    ledger.append(QUOTES)
    ledger.close()
    assert len(read(tmp_path / "ledger")) == len(QUOTES)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AuditError, match="file/ledger"):
        Ledger(tmp_path / "file" / "ledger")


def test_ledgers_of_several_workers_are_one_in_the_order_of_event_time(tmp_path: Path) -> None:
    early, middle, late = QUOTES[:3]
    for worker, quotes in (("0", [early, late]), ("3", [middle, late])):
        with open_ledger(tmp_path / "workers" / worker) as ledger:
            ledger.append(quotes)

    found = cut_ledger(tmp_path).read(DAY)

    assert found is not None
    accepted = [entry.timestamp for entry in found.accepted("AAPL")]
    assert accepted == [early.timestamp, middle.timestamp, late.timestamp, late.timestamp]
    assert found.last_accepted() == {("AAPL", late.timestamp)}


def test_a_part_of_a_workers_ledger_that_was_given_up_is_told_of_all(tmp_path: Path) -> None:
    for worker in ("0", "1"):
        with open_ledger(tmp_path / "workers" / worker) as ledger:
            ledger.append(QUOTES[:1])
    (tmp_path / "workers" / "1" / f"{DAY}.dropped").touch()

    found = cut_ledger(tmp_path).read(DAY)

    assert found is not None
    assert len(found.gaps) == 1
