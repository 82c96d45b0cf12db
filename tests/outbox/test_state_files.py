"""The two copies of what is acknowledged: either is enough, and what neither has room for is said and made up for."""

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stockstream.outbox import DiskOutbox, Slot
from stockstream.outbox.files import write_file
from stockstream.outbox.state import ACKS_FILE_NAMES, MIN_SLOTS, StateFiles, Values, new_generation, read_state

# Where its parts lie; `state.py` has the table.
_HEADER, _TOTALS, _SLOTS = range(40), range(64, 84), range(128, 128 + 2 * 24)


class Disk:
    """A disk on which new files fail with `code`, where one is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.code = 0
        # Files that can still be made.
        self.spared: set[str] = set()
        monkeypatch.setattr("stockstream.outbox.state.write_file", self._write_file)

    def _write_file(self, path: Path, data: bytes) -> None:
        if self.code and path.name not in self.spared:
            raise OSError(self.code, os.strerror(self.code))
        write_file(path, data)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def _values(lanes: int = 2) -> Values:
    return Values(new_generation(), lanes=lanes, slots=[Slot()] * lanes)


def _read(directory: Path) -> Values:
    values = read_state(directory, keep=False).values
    assert values is not None
    return values


@pytest.mark.parametrize(
    ("spared", "missing", "effect"),
    [
        (set(), list(ACKS_FILE_NAMES), "after a restart everything on disk is sent again"),
        ({ACKS_FILE_NAMES[0]}, [ACKS_FILE_NAMES[1]], "one copy is enough"),
    ],
)
def test_copies_that_there_was_no_room_for_are_said_once_and_made_when_there_is(
    tmp_path: Path, disk: Disk, spared: set[str], missing: list[str], effect: str
) -> None:
    disk.code, disk.spared = errno.ENOSPC, spared
    with capture_logs() as logs:
        state = StateFiles(tmp_path, _values())
        state.complete()
    assert [(entry["event"], entry["missing"], entry["effect"]) for entry in logs] == [
        ("outbox_acks_incomplete", missing, effect)
    ]
    state.note_end(9)
    state.note_slot(1, 1, 3, 1)
    disk.code = 0
    state.complete()
    assert state.is_complete
    state.close()
    for name in ACKS_FILE_NAMES:
        (alone := tmp_path / f"only-{name}").mkdir()
        (alone / name).write_bytes((tmp_path / name).read_bytes())
        assert (_read(alone).end, _read(alone).slots[1]) == (9, Slot(1, 3, 1))


def test_a_disk_that_fails_otherwise_is_no_full_disk(tmp_path: Path, disk: Disk) -> None:
    disk.code = errno.EIO
    with pytest.raises(OSError, match="Input/output error"):
        StateFiles(tmp_path, _values())


def test_a_state_of_more_lanes_than_its_files_hold_gets_larger_ones(tmp_path: Path) -> None:
    state = StateFiles(tmp_path, _values())
    state.rewrite(replace(state.values, lanes=MIN_SLOTS + 1, slots=[Slot()] * (MIN_SLOTS + 1)))
    state.note_slot(MIN_SLOTS, 1, 5, 2)
    state.close()
    assert _read(tmp_path).slots[MIN_SLOTS] == Slot(1, 5, 2)


def test_an_empty_file_in_place_of_a_copy_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / ACKS_FILE_NAMES[0]).touch()
    state = StateFiles(tmp_path, _values())
    assert state.is_complete
    state.close()
    assert read_state(tmp_path, keep=False).damage == ()


def _damage(directory: Path, name: str, at: int) -> None:
    data = bytearray((directory / name).read_bytes())
    data[at] ^= 1
    (directory / name).write_bytes(data)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"x"), "is cut short"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "is cut short"),
        (lambda path: _damage(path.parent, path.name, 9), "is damaged"),
        (lambda path: (path.unlink(), path.mkdir()), "is not a file"),
    ],
)
def test_whatever_is_wrong_with_one_copy_is_told_and_the_other_is_believed(
    tmp_path: Path, write: Callable[[Path], object], words: str
) -> None:
    state = StateFiles(tmp_path, _values())
    state.note_end(7)
    state.close()
    write(tmp_path / ACKS_FILE_NAMES[1])
    found = read_state(tmp_path, keep=False)
    assert found.values is not None
    assert found.values.end == 7
    assert [text.startswith(f"{ACKS_FILE_NAMES[1]} {words}") for text in found.damage] == [True]


def test_a_flipped_bit_of_one_copy_is_told_and_costs_nothing_and_of_both_is_not_believed(tmp_path: Path) -> None:
    state = StateFiles(tmp_path, _values())
    state.note_slot(0, 1, 4, 2)
    state.close()
    whole = {name: (tmp_path / name).read_bytes() for name in ACKS_FILE_NAMES}
    for at in (*_HEADER, *_TOTALS, *_SLOTS):
        for name in ACKS_FILE_NAMES:
            (tmp_path / name).write_bytes(whole[name])
        _damage(tmp_path, ACKS_FILE_NAMES[0], at)
        found = read_state(tmp_path, keep=False)
        assert found.damage, at
        assert found.values is not None
        assert found.values.slots[0] == Slot(1, 4, 2)
        _damage(tmp_path, ACKS_FILE_NAMES[1], at)
        assert read_state(tmp_path, keep=False).values is None, at


async def test_where_the_disk_is_full_the_lanes_are_as_many_as_the_files_hold(tmp_path: Path, disk: Disk) -> None:
    outbox = DiskOutbox(
        tmp_path, max_bytes=2**20, lane_of_key=lambda key, lanes: len(key) % lanes, on_commit=lambda batch, frame: None
    )
    await outbox.open()
    disk.code = errno.ENOSPC
    with capture_logs() as logs:
        assert await outbox.lay_lanes(2 * MIN_SLOTS) == MIN_SLOTS
    said = next(entry for entry in logs if entry["event"] == "outbox_lanes_reduced")
    assert (said["wanted"], said["lanes"]) == (2 * MIN_SLOTS, MIN_SLOTS)
    await outbox.close()
