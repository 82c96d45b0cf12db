"""How far each lane is acknowledged: a small file mapped into memory, so that noting it costs no system call.

    header  magic 8 bytes | lanes u32 | generation u32
    slot    records acknowledged u64 | CRC-32 of lane, generation and number u32 | zero u32

What a process has written survives its death, for the pages belong to the kernel. After a power loss a slot may be old
(records are sent again) or torn (its CRC fails, and the lane begins at the checkpoint): duplicates, never a loss.
"""

import mmap
import os
import struct
import zlib
from pathlib import Path
from typing import Final

_HEADER: Final = struct.Struct("<8sII")
_MAGIC: Final = b"SSACKS01"
_SLOT: Final = struct.Struct("<QII")
_SUMMED: Final = struct.Struct("<IIQ")


class AckTable:
    """Acknowledged records for each lane, counted since the log's generation began.

    Args:
        path: The file; made anew where it does not belong to this generation and number of lanes.
        lanes: Number of lanes.
        generation: Changes whenever counting starts anew.
    """

    def __init__(self, path: Path, lanes: int, generation: int) -> None:
        self._lanes = lanes
        self._generation = generation
        size = _HEADER.size + lanes * _SLOT.size
        header = _HEADER.pack(_MAGIC, lanes, generation)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            known = os.pread(descriptor, _HEADER.size, 0)
            if known != header or os.fstat(descriptor).st_size != size:
                os.ftruncate(descriptor, 0)
                os.ftruncate(descriptor, size)
                os.pwrite(descriptor, header, 0)
                os.fsync(descriptor)
            self._map = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)

    def get(self, lane: int) -> int:
        """Records of the lane that are acknowledged; 0 where the slot is empty or torn."""
        count, crc, _ = _SLOT.unpack_from(self._map, _HEADER.size + lane * _SLOT.size)
        return int(count) if crc == self._crc(lane, count) else 0

    def set(self, lane: int, count: int) -> None:
        """Note that the first `count` records of the lane are acknowledged."""
        _SLOT.pack_into(self._map, _HEADER.size + lane * _SLOT.size, count, self._crc(lane, count), 0)

    def close(self) -> None:
        """Write to disk what the kernel has not, and let go of the file."""
        self._map.flush()
        self._map.close()

    def _crc(self, lane: int, count: int) -> int:
        return zlib.crc32(_SUMMED.pack(lane, self._generation, count))
