"""The ledger keeps within its bounds while it runs, packs what is over, and never hides what it has given up."""

import gzip
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stockstream.audit import AuditReport, DayReport, render
from stockstream.audit.ledger import Ledger, ledger_line
from stockstream.audit.ledger_files import list_files, plain_bytes, shortage_of
from stockstream.audit.ledger_reader import DayLedger, cut_ledger
from stockstream_wire import Quote
from tests.audit.stored_day import quote

_TODAY = "2026-11-22"
_YESTERDAY = "2026-11-21"


class Clock:
    """Noon of 2026-11-22, until a test moves it."""

    seconds = 1_795_348_800.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _quotes(day: str, count: int, start: int = 0) -> Sequence[Quote]:
    return [
        quote(30, "1", 1, timestamp=f"{day}T14:{number // 60_000:02d}:{number // 1000 % 60:02d}.{number % 1000:03d}Z")
        for number in range(start, start + count)
    ]


def _read(directory: Path, day: str) -> DayLedger:
    found = cut_ledger(directory).read(day)
    assert found is not None
    return found


def _listed(directory: Path, day: str) -> list[str]:
    return [entry.timestamp for entry in _read(directory, day).accepted("AAPL")]


def _settle(ledger: Ledger, clock: Clock) -> None:
    """Let the housekeeping come round twice: what the first ends, the second packs or gives up."""
    ledger.tended()
    for _ in range(3):
        clock.seconds += 1200
        ledger.append([])
        ledger.tended()


def test_full_parts_and_days_that_are_over_are_packed_and_read_in_order(tmp_path: Path, clock: Clock) -> None:
    ledger = Ledger(tmp_path, part_bytes=2000, now_seconds=clock)
    written = [*_quotes(_YESTERDAY, 30), *_quotes(_TODAY, 100)]
    for item in written:
        ledger.append([item])
        ledger.tended()
    plain_bytes = ledger.size_bytes
    for file in list_files(tmp_path):
        if file.is_live:
            os.utime(file.path, (clock.seconds - 3600,) * 2)
    clock.seconds += 1200
    ledger.append([])
    ledger.tended()
    ledger.close()
    kinds = {(file.day, file.kind) for file in list_files(tmp_path)}
    assert kinds == {(_YESTERDAY, "ledger.gz"), (_TODAY, "ledger"), (_TODAY, "ledger.gz")}
    assert ledger.size_bytes <= plain_bytes
    for day in (_YESTERDAY, _TODAY):
        found = _read(tmp_path, day)
        assert not found.gaps
        assert _listed(tmp_path, day) == [item.timestamp for item in written if item.timestamp.startswith(day)]


def test_packing_does_not_change_how_long_a_days_lines_are(tmp_path: Path, clock: Clock) -> None:
    ledger = Ledger(tmp_path, part_bytes=2000, now_seconds=clock)
    written = 0
    for item in _quotes(_TODAY, 200):
        ledger.append([item])
        written += len(ledger_line(item))
        ledger.tended()
        assert sum(plain_bytes(file) for file in list_files(tmp_path)) == written
    ledger.close()
    assert {file.kind for file in list_files(tmp_path)} == {"ledger", "ledger.gz"}


def test_past_the_bound_the_oldest_go_and_the_reader_is_told(tmp_path: Path, clock: Clock) -> None:
    ledger = Ledger(tmp_path, max_bytes=20_000, part_bytes=2000, now_seconds=clock)
    with capture_logs() as logs:
        for day in ("2026-11-19", "2026-11-20", _YESTERDAY, _TODAY):
            for start in range(0, 1000, 100):
                ledger.append(_quotes(day, 100, start))
                ledger.tended()
    ledger.append([])
    ledger.tended()
    ledger.close()
    assert sum(file.size_bytes for file in list_files(tmp_path)) <= 20_000 + 2 * 5500
    oldest = _read(tmp_path, "2026-11-19")
    assert oldest.gaps
    assert not oldest.symbols
    assert _listed(tmp_path, _TODAY)[-1] == _quotes(_TODAY, 1, 999)[0].timestamp
    assert {entry["reason"] for entry in logs if entry["event"] == "ledger_given_up"} == {
        "STOCKSTREAM_LEDGER_MAX_BYTES"
    }


def test_on_a_disk_that_runs_short_the_ledger_makes_room_down_to_the_part_being_written(
    tmp_path: Path, clock: Clock
) -> None:
    short_bytes = 0
    ledger = Ledger(tmp_path, part_bytes=2000, now_seconds=clock, shortage_bytes=lambda _: short_bytes)
    ledger.append(_quotes(_YESTERDAY, 100))
    ledger.append(_quotes(_TODAY, 20))
    _settle(ledger, clock)
    short_bytes = 1
    with capture_logs() as logs:
        _settle(ledger, clock)
    assert sum(file.size_bytes for file in list_files(tmp_path)) == 0
    assert {entry["event"] for entry in logs} == {"ledger_given_up"}
    # And goes on when there is room again.
    short_bytes = 0
    ledger.append(_quotes(_TODAY, 5, 200))
    ledger.close()
    found = _read(tmp_path, _TODAY)
    assert found.gaps
    assert len(found.accepted("AAPL")) == 5


def test_lines_that_a_disk_refused_are_told_when_it_takes_lines_again(tmp_path: Path, clock: Clock) -> None:
    folder = tmp_path / "ledger"
    ledger = Ledger(folder, now_seconds=clock)
    ledger.tended()
    folder.rmdir()
    ledger.append(_quotes(_TODAY, 3))
    folder.mkdir()
    ledger.append(_quotes(_TODAY, 3, 3))
    ledger.close()
    found = _read(folder, _TODAY)
    assert found.gaps
    assert len(found.accepted("AAPL")) == 3


def test_days_older_than_kept_go_while_the_service_runs(tmp_path: Path, clock: Clock) -> None:
    ledger = Ledger(tmp_path, keep_days=2, now_seconds=clock)
    ledger.append(_quotes(_YESTERDAY, 10))
    ledger.append(_quotes(_TODAY, 10))
    for day in (_YESTERDAY, _TODAY):
        os.utime(tmp_path / f"{day}.ledger", (clock.seconds,) * 2)
    ledger.tended()
    clock.seconds += 3 * 86_400
    ledger.append(_quotes("2026-11-25", 10))
    ledger.tended()
    ledger.close()
    assert [file.day for file in list_files(tmp_path)] == ["2026-11-25"]


@pytest.mark.parametrize("finished", [False, True])
def test_a_crash_while_packing_loses_and_doubles_nothing(tmp_path: Path, clock: Clock, finished: bool) -> None:
    ledger = Ledger(tmp_path, now_seconds=clock)
    ledger.append(_quotes(_TODAY, 10))
    ledger.close()
    plain = tmp_path / f"{_TODAY}.000001.ledger"
    (tmp_path / f"{_TODAY}.ledger").rename(plain)
    packed = gzip.compress(plain.read_bytes())
    suffix = ".gz" if finished else ".gz.part"
    (tmp_path / f"{plain.name}{suffix}").write_bytes(packed if finished else packed[:20])
    assert len(_listed(tmp_path, _TODAY)) == 10
    again = Ledger(tmp_path, now_seconds=clock)
    again.tended()
    again.close()
    assert [file.path.name for file in list_files(tmp_path)] == [f"{plain.name}.gz"]
    assert len(_listed(tmp_path, _TODAY)) == 10


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_packed_part_that_is_damaged_is_told(tmp_path: Path, damage: str) -> None:
    plain = "".join(f"AAPL {item.timestamp} {'0' * 16}\n" for item in _quotes(_TODAY, 100)).encode()
    packed = bytearray(gzip.compress(plain))
    if damage == "cut":
        del packed[-20:]
    else:
        packed[-6] ^= 1
    (tmp_path / f"{_TODAY}.000001.ledger.gz").write_bytes(packed)
    found = _read(tmp_path, _TODAY)
    assert "is damaged" in found.gaps[0]


def test_a_hole_between_days_is_told_and_a_day_outside_them_is_unknown(tmp_path: Path) -> None:
    for day in ("2026-11-20", _TODAY):
        (tmp_path / f"{day}.ledger").write_text("")
    cut = cut_ledger(tmp_path)
    assert cut.hole(_YESTERDAY)
    assert not cut.hole("2026-11-19")
    assert not cut.hole("2026-11-23")


def test_a_day_of_which_nothing_is_known_is_not_called_clean() -> None:
    known, unknown = (DayReport(day=_TODAY, has_ledger=has_ledger) for has_ledger in (True, False))
    lines = list(render(AuditReport(days=[known, unknown])))
    assert lines[0].endswith("clean")
    assert "clean" not in lines[1]
    assert "what was accepted is known of 1 of 2 days" in lines[-1]


def test_the_real_disk_can_be_asked(tmp_path: Path) -> None:
    assert shortage_of(tmp_path) <= 128 * 1024 * 1024
