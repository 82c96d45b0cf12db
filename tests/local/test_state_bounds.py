"""The state of local mode does not grow for ever, and nothing young is deleted."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stockstream.local import state as state_module
from stockstream.local.log_file import RotatingFile
from stockstream.local.state import LocalState, folder_bytes, open_state, show_bytes

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def stored(root: Path, begun_days_ago: float = 0) -> LocalState:
    with open_state(root, fresh=False) as state:
        for name in ("emulator", "ledger", "outbox"):
            (root / name).mkdir()
            (root / name / "x.json").write_text("{}")
        begun = root / "begun"
        begun.touch()
        moment = (NOW - timedelta(days=begun_days_ago)).timestamp()
        os.utime(begun, (moment, moment))
        return state


def test_what_is_young_and_small_stays(tmp_path: Path) -> None:
    state = stored(tmp_path, begun_days_ago=6.9)

    assert state.set_old_aside(7, NOW) is None
    assert (tmp_path / "emulator" / "x.json").exists()


def test_what_is_older_than_the_days_is_set_aside_whole_and_the_outbox_stays(tmp_path: Path) -> None:
    state = stored(tmp_path, begun_days_ago=7.1)

    told = state.set_old_aside(7, NOW)

    aside = tmp_path / "past" / "2026-11-26T120000Z"
    assert told is not None
    assert f"STOCKSTREAM_LOCAL_STATE_DIR={aside}" in told
    assert (aside / "emulator" / "x.json").exists()
    assert (aside / "ledger" / "x.json").exists()
    assert not (tmp_path / "emulator").exists()
    assert (tmp_path / "outbox" / "x.json").exists()
    with open_state(aside, fresh=False) as past:  # a state folder of its own
        assert past.root == aside
    assert state.set_old_aside(7, NOW + timedelta(minutes=1)) is None


def test_a_snapshot_that_would_be_slow_to_read_is_set_aside_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = stored(tmp_path)
    monkeypatch.setattr(state_module, "SNAPSHOT_MAX_BYTES", 1)

    told = state.set_old_aside(0, NOW)

    assert told is not None
    assert "of tables" in told


def test_what_was_set_aside_is_kept_as_long_again_and_then_deleted(tmp_path: Path) -> None:
    state = stored(tmp_path, begun_days_ago=8)
    state.set_old_aside(7, NOW)
    aside = tmp_path / "past" / "2026-11-26T120000Z"

    state.set_old_aside(7, NOW + timedelta(days=6.9))
    assert aside.exists()
    state.set_old_aside(7, NOW + timedelta(days=7.1))
    assert not aside.exists()


def test_what_is_not_a_run_set_aside_is_left_alone(tmp_path: Path) -> None:
    state = stored(tmp_path)
    for name in ("notes Z", "2020-01-01T000000Z", "2020-13-01T000000Z"):
        (tmp_path / "past" / name).mkdir(parents=True)

    assert state.set_old_aside(7, NOW) is None

    assert len(list((tmp_path / "past").iterdir())) == 3


def test_0_days_keep_everything(tmp_path: Path) -> None:
    state = stored(tmp_path, begun_days_ago=1000)

    assert state.set_old_aside(0, NOW) is None
    assert (tmp_path / "emulator" / "x.json").exists()


def test_a_size_is_that_of_all_files(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "file").write_bytes(b"x" * 1000)
    (tmp_path / "file").write_bytes(b"x" * 500)

    assert folder_bytes(tmp_path) == 1500
    assert [show_bytes(count) for count in (0, 12_345_678, 2_500_000_000)] == ["0.0 MB", "12.3 MB", "2.5 GB"]


def test_a_log_file_is_rotated_at_its_bound_and_keeps_one_before(tmp_path: Path) -> None:
    path = tmp_path / "service.log"
    with RotatingFile(path, max_bytes=100) as log:
        for number in range(40):
            log.write(f"line {number:04d}\n")

    lines = (tmp_path / "service.log.1").read_text() + path.read_text()
    assert lines.endswith("line 0038\nline 0039\n")
    assert folder_bytes(tmp_path) < 3 * 100
