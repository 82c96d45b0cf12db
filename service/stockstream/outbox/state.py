"""What is known of the log beside the log: how far each lane is acknowledged, and how many records there are to send.

Two files of fixed size, `acks` and `acks-copy`, each complete, mapped into memory: noting something costs no system
call and, as their blocks are there from the beginning, no room on a full disk.

    header  magic 8 bytes | revision u64 | generation u64 | first number of the generation u64 | lanes u32 | CRC-32 u32
    totals  number after the last record u64 | numbers that nothing is awaited for u64 | CRC-32 u32
    slot    number of a frame u64 | records acknowledged u64 | of them in that frame u32 | CRC-32 u32

A slot says that all records of its lane in frames before that one are acknowledged, and so many of its own in that one.
The CRCs of totals and slots cover the generation, a random number: those of another time count as damaged.

What a process has written survives its death, for the pages belong to the kernel. After a power loss a value may be old
(records are sent again) or torn (its CRC fails, and the copy's is taken): duplicates, never a loss.
"""

import mmap
import os
import secrets
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from stockstream.outbox.files import is_disk_full, open_regular, put_aside, put_aside_latest, write_file

ACKS_FILE_NAMES: Final = ("acks", "acks-copy")
STATE_VERSION: Final = 2
_MAGIC_STEM: Final = b"SSACKS"
_MAGIC: Final = b"SSACKS02"
_HEADER: Final = struct.Struct("<8sQQQI")
_TOTALS: Final = struct.Struct("<QQ")
_SLOT: Final = struct.Struct("<QQI")
_WHOLE_SLOT: Final = struct.Struct("<QQII")
_CRC: Final = struct.Struct("<I")
_SUMMED: Final = struct.Struct("<QI")
_TOTALS_AT: Final = 64
_SLOTS_AT: Final = 128
_SLOT_BYTES: Final = _SLOT.size + _CRC.size
# Lanes that there is always room for; a stream of 256 shards has as many.
MIN_SLOTS: Final = 1024

log = structlog.get_logger("stockstream.outbox")


class Slot(NamedTuple):
    """How far a lane is acknowledged.

    Attributes:
        first: Number of a frame's first record; every record of the lane in the frames before it is acknowledged.
        acknowledged: Records of the lane that are acknowledged, since the generation began.
        within: Of those, how many are in that frame.
    """

    first: int = 0
    acknowledged: int = 0
    within: int = 0

    def acknowledged_of(self, first: int, records: int) -> int:
        """How many of the lane's `records` in the frame that begins with number `first` are acknowledged."""
        if first < self.first:
            return records
        return min(records, self.within) if first == self.first else 0


@dataclass(slots=True)
class Values:
    """The content of the state.

    Attributes:
        generation: Random; the frames of this generation carry it too.
        first: The first number of the generation. Frames before it were in the log already.
        lanes: Number of lanes; 0 until the stream's shards are known for the first time.
        end: The number after that of the last record.
        settled: How many of the numbers below `end` are not waited for by their acknowledgement: those before the
            outbox's beginning, lost ones that were told, dropped ones.
        slots: Of the lanes.
        revision: Which of two copies with different headers is the newer.
    """

    generation: int
    first: int = 1
    lanes: int = 0
    end: int = 1
    settled: int = 1
    slots: list[Slot] = field(default_factory=list)
    revision: int = 1


def new_generation() -> int:
    """A number that no other generation has."""
    return secrets.randbits(64)


@dataclass(frozen=True, slots=True)
class CopyFound:
    """One of the two files as it was found; `values` is None where there is nothing to believe."""

    values: Values | None
    # What of it is wrong: totals or slots that are damaged stand as None and the empty slot.
    totals_lost: bool
    lost_slots: frozenset[int]
    # In words; empty where all is right.
    damage: str
    kind: str = "damaged"


@dataclass(frozen=True, slots=True)
class StateFound:
    """Both files together.

    Attributes:
        values: None where neither can be believed, or both are damaged in the same place.
        damage: What was wrong, in words.
    """

    values: Values | None
    damage: tuple[str, ...]


def read_state(directory: Path, *, keep: bool) -> StateFound:
    """Read both copies.

    Args:
        directory: Of the outbox.
        keep: Whether files that cannot be used are put aside; False only looks.
    """
    found = []
    damage = []
    for name in ACKS_FILE_NAMES:
        copy = _read_copy(directory / name)
        found.append(copy)
        if copy.damage:
            kept = ""
            if keep and os.path.lexists(directory / name):
                kept = f", kept as {_put_aside(directory / name, copy.kind).name}"
            damage.append(f"{name} {copy.damage}{kept}")
    return StateFound(_merge(found), tuple(damage))


def _put_aside(path: Path, kind: str) -> Path:
    # Of another release it may be asked for again; of a damaged one the latest says as much as all of them.
    return put_aside_latest(path, kind) if kind == "damaged" else put_aside(path, kind)


def _merge(copies: list[CopyFound]) -> Values | None:
    newest = max((copy.values.revision for copy in copies if copy.values is not None), default=0)
    same = [copy for copy in copies if copy.values is not None and copy.values.revision == newest]
    found = [copy.values for copy in same if copy.values is not None]
    if len({(values.generation, values.lanes) for values in found}) != 1:
        return None
    if frozenset.intersection(*(copy.lost_slots for copy in same)) or all(copy.totals_lost for copy in same):
        return None
    return replace(
        found[0],
        end=max(values.end for values in found),
        settled=max(values.settled for values in found),
        slots=[max(slots) for slots in zip(*(values.slots for values in found), strict=True)],
    )


def _read_copy(path: Path) -> CopyFound:
    def unusable(damage: str, kind: str = "damaged") -> CopyFound:
        return CopyFound(None, True, frozenset(), damage, kind)

    try:
        descriptor = open_regular(path, os.O_RDONLY)
    except FileNotFoundError:
        return unusable("is missing")
    if descriptor is None:
        return unusable("is not a file")
    with os.fdopen(descriptor, "rb") as file:
        data = file.read()
    fault, kind = _fault_of(data)
    if fault:
        return unusable(fault, kind)
    _, revision, generation, first, lanes = _HEADER.unpack_from(data)
    end, settled = _TOTALS.unpack_from(data, _TOTALS_AT)
    totals_lost = _totals_bytes(generation, end, settled) != data[_TOTALS_AT : _TOTALS_AT + _TOTALS.size + _CRC.size]
    if totals_lost:
        end = settled = 0
    slots, lost = [], set()
    for lane in range(lanes):
        at = _SLOTS_AT + lane * _SLOT_BYTES
        slot = Slot._make(_SLOT.unpack_from(data, at))
        if _slot_bytes(generation, lane, slot) != data[at : at + _SLOT_BYTES]:
            lost.add(lane)
            slot = Slot()
        slots.append(slot)
    damage = "is damaged in part" if totals_lost or lost else ""
    values = Values(generation, first, lanes, end, settled, slots, revision)
    return CopyFound(values, totals_lost, frozenset(lost), damage)


def _fault_of(data: bytes) -> tuple[str, str]:
    """Why nothing of a copy can be used, and what it is kept as; empty where it can."""
    if not data:
        return "is empty", "damaged"
    if data[:6] == _MAGIC_STEM and data[:8] != _MAGIC and data[6:8].isdigit():
        version = int(data[6:8])
        return f"is of format {version}, this release reads {STATE_VERSION}", f"version-{version}"
    if len(data) < _SLOTS_AT:
        return "is cut short", "damaged"
    magic, _, _, _, lanes = _HEADER.unpack_from(data)
    if magic != _MAGIC or _crc_at(data, _HEADER.size) != zlib.crc32(data[: _HEADER.size]):
        return "is damaged", "damaged"
    is_cut = len(data) < _SLOTS_AT + max(lanes, MIN_SLOTS) * _SLOT_BYTES
    return ("is cut short" if is_cut else ""), "damaged"


def _crc_at(data: bytes, offset: int) -> int:
    return int(_CRC.unpack_from(data, offset)[0])


def _totals_bytes(generation: int, end: int, settled: int) -> bytes:
    totals = _TOTALS.pack(end, settled)
    return totals + _CRC.pack(zlib.crc32(totals, generation & 0xFFFFFFFF))


def _slot_seed(generation: int, lane: int) -> int:
    return zlib.crc32(_SUMMED.pack(generation, lane))


def _slot_bytes(generation: int, lane: int, slot: tuple[int, int, int]) -> bytes:
    return _WHOLE_SLOT.pack(*slot, zlib.crc32(_SLOT.pack(*slot), _slot_seed(generation, lane)))


def _image(values: Values, slots: Sequence[tuple[int, int, int]]) -> bytes:
    header = _HEADER.pack(_MAGIC, values.revision, values.generation, values.first, values.lanes)
    image = bytearray(_SLOTS_AT + max(values.lanes, MIN_SLOTS) * _SLOT_BYTES)
    image[: len(header) + _CRC.size] = header + _CRC.pack(zlib.crc32(header))
    totals = _totals_bytes(values.generation, values.end, values.settled)
    image[_TOTALS_AT : _TOTALS_AT + len(totals)] = totals
    for lane, slot in enumerate(slots):
        at = _SLOTS_AT + lane * _SLOT_BYTES
        image[at : at + _SLOT_BYTES] = _slot_bytes(values.generation, lane, slot)
    return bytes(image)


class StateFiles:
    """Keeps the state in both files.

    Where there is no room for one of them the other is enough, and without both the log is sent again after a restart:
    said, and cured by `complete` when there is room.

    Args:
        directory: Of the outbox.
        values: What the files are to hold from now on.
    """

    def __init__(self, directory: Path, values: Values) -> None:
        self._directory = directory
        self._maps: Mapping[str, mmap.mmap] = {}
        self._incomplete_said = False
        self.values = values
        self.rewrite(values)

    def note_end(self, end: int) -> None:
        """Note the number after the last record that is on disk."""
        self.values.end = end
        self._note_totals()

    def note_settled(self, settled: int) -> None:
        """Note how many numbers are not waited for."""
        self.values.settled = settled
        self._note_totals()

    def note_slot(self, lane: int, first: int, acknowledged: int, within: int) -> None:
        """Note how far a lane is acknowledged; see `Slot`."""
        # A plain tuple: this is done for every Kinesis record.
        self._slots[lane] = slot = (first, acknowledged, within)
        crc = zlib.crc32(_SLOT.pack(first, acknowledged, within), self._seeds[lane])
        at = _SLOTS_AT + lane * _SLOT_BYTES
        for mapped in self._maps.values():
            _WHOLE_SLOT.pack_into(mapped, at, *slot, crc)

    def slots(self) -> list[Slot]:
        """How far each lane is acknowledged."""
        return [Slot._make(slot) for slot in self._slots]

    def rewrite(self, values: Values) -> None:
        """Change everything. The copies are written one after the other, so that one of them is always whole."""
        self.values = values
        values.revision += 1
        self._slots: list[tuple[int, int, int]] = list(values.slots)
        self._seeds = [_slot_seed(values.generation, lane) for lane in range(values.lanes)]
        image = self._image()
        for name in ACKS_FILE_NAMES:
            mapped = self._maps.get(name) or self._map(name)
            if mapped is not None and len(mapped) >= len(image):
                mapped[: len(image)] = image
                mapped.flush()
            else:
                self._make(name, image)
        self._say_incomplete()

    def complete(self) -> None:
        """Make the copies that there was no room for."""
        missing = [name for name in ACKS_FILE_NAMES if name not in self._maps]
        for name in missing:
            image = b""
            self._make(name, self._image())
            mapped = self._maps.get(name)
            # The event loop notes acknowledgements meanwhile.
            while mapped is not None and image != (now := self._image()):
                mapped[: len(now)] = image = now
        if missing:
            self._say_incomplete()

    @property
    def is_complete(self) -> bool:
        """Whether both copies are there."""
        return len(self._maps) == len(ACKS_FILE_NAMES)

    def flush(self) -> None:
        """Have on disk what was noted."""
        for mapped in self._maps.values():
            mapped.flush()

    def close(self) -> None:
        """Write to disk what the kernel has not, and let go of the files."""
        for mapped in self._maps.values():
            mapped.flush()
            mapped.close()
        self._maps = {}

    def _image(self) -> bytes:
        return _image(self.values, self._slots)

    def _note_totals(self) -> None:
        values = self.values
        packed = _totals_bytes(values.generation, values.end, values.settled)
        for mapped in self._maps.values():
            mapped[_TOTALS_AT : _TOTALS_AT + len(packed)] = packed

    def _map(self, name: str) -> mmap.mmap | None:
        try:
            descriptor = open_regular(self._directory / name, os.O_RDWR)
        except FileNotFoundError:
            return None
        if descriptor is None:
            return None
        try:
            size = os.fstat(descriptor).st_size
            if not size:
                return None
            mapped = mmap.mmap(descriptor, size)
            # Not changed in place: the event loop may be going through it.
            self._maps = {**self._maps, name: mapped}
        finally:
            os.close(descriptor)
        return mapped

    def _make(self, name: str, image: bytes) -> None:
        old = self._maps.get(name)
        if old is not None:
            self._maps = {other: mapped for other, mapped in self._maps.items() if other != name}
            old.close()
        try:
            write_file(self._directory / name, image)
        except OSError as exc:
            if not is_disk_full(exc):
                raise
        else:
            self._map(name)

    def _say_incomplete(self) -> None:
        missing = [name for name in ACKS_FILE_NAMES if name not in self._maps]
        if missing and not self._incomplete_said:
            effect = "one copy is enough" if len(missing) == 1 else "after a restart everything on disk is sent again"
            log.warning("outbox_acks_incomplete", missing=missing, effect=effect, remedy="free space on the disk")
        self._incomplete_said = bool(missing)
