"""The log, which is the raw archive: keys and bytes of its objects, of checkpoints, and of what the tidy makes.

An object of the log lies at `raw/dt=<folder>/p4-03-000000012345.json.gz`; its key follows from the log before it and
from nothing else. Tidied objects lie at `raw/dt=<day>/symbol=AAPL/p4-03-<first>-<run>.json.gz`: of one symbol and
event day, `first` being the first revision of the folder they come from, `run` counting a symbol's stretches of a day
within that folder, cut where one would be too large. A symbol's tidied objects in the order (first, run), then the log,
are its quotes in log order.
"""

import gzip
import re
import zlib
from collections.abc import Iterable
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from stockstream_wire.storage.names import RAW_PREFIX, STATE_PREFIX, TIDY_PREFIX, Partition

CONTENT_TYPE: Final = "application/gzip"
# Metadata of a log object, as they are sent and come back (S3 puts `x-amz-meta-` before user metadata).
FORMAT_HEADER: Final = "x-amz-meta-v"
NEXT_FOLDER: Final = "x-amz-meta-next"
CLOSE: Final = "x-amz-meta-close"
# Format number of log objects, checkpoints and layout.json. Who meets a higher one must not go on.
FORMAT: Final = 1
# The folder of revision 1, which is a roll.
FIRST_FOLDER: Final = "first"

# Level 5 costs twice level 1 on quotes and saves a fifth of the bytes, by which Athena is billed; level 6 saves 1%
# more.
_GZIP_LEVEL: Final = 5
# To zlib: a gzip, with its header and checksum.
_GZIP_WBITS: Final = 31
# An entry has at most 1,000 quotes of 16 KiB, and the tidy's objects are no larger.
UNPACKED_MAX_BYTES: Final = 32 * 1024 * 1024
_LOG_KEY: Final = re.compile(r"raw/dt=(first|\d{4}-\d\d-\d\d)/p(\d+)-(\d{2,})-(\d{12,})\.json\.gz")
_TIDIED_KEY: Final = re.compile(r"raw/dt=(\d{4}-\d\d-\d\d)/symbol=([^/]+)/p(\d+)-(\d{2,})-(\d{12,})-(\d{2,})\.json\.gz")


class LogKey(NamedTuple):
    """Where an object of the log stands."""

    partition: Partition
    folder: str
    revision: int


class TidiedKey(NamedTuple):
    """What a tidied object holds."""

    day: str
    symbol: str
    partition: Partition
    first: int
    run: int


class TidyMarker(msgspec.Struct, frozen=True):
    """Says that all of a folder (revisions `first` to `last`, a roll) lies tidied; its objects of the log may go.

    `day` is the folder, `next` the one that the roll opens, `closed` the moment of the last close in it: the tidied
    objects hold quotes alone, and whoever folds them closes by it.
    """

    first: int
    last: int
    day: str
    next: str
    closed: str = ""


class CheckpointHead(msgspec.Struct, frozen=True, array_like=True):
    """The beginning of a checkpoint; the states by symbol follow."""

    v: int
    revision: int
    folder: str


class SymbolHead(msgspec.Struct, frozen=True, array_like=True):
    """The beginning of a symbol's state in a checkpoint; what the consumer alone needs follows."""

    last_timestamp: str = ""
    session: str = ""
    zone: str = ""
    last_price: Decimal | None = None
    last_open: Decimal | None = None
    last_previous_close: Decimal | None = None


class CheckpointSymbols(msgspec.Struct, frozen=True, array_like=True):
    """A checkpoint, as readers need it: where it stands, and the last tick of each symbol."""

    v: int
    revision: int
    folder: str
    symbols: dict[str, SymbolHead]


class _Layout(msgspec.Struct, frozen=True):
    v: int
    partitions: int


def log_key(partition: Partition, folder: str, revision: int) -> str:
    """Key of one revision of a partition's log."""
    return f"{log_prefix(partition, folder)}{revision:012d}.json.gz"


def parse_log_key(key: str) -> LogKey | None:
    """Read the key of a log object; None is another object."""
    found = _LOG_KEY.fullmatch(key)
    return LogKey(Partition(int(found[3]), int(found[2])), found[1], int(found[4])) if found else None


def day_prefix(folder: str) -> str:
    """Prefix of all archived objects of a folder or day, of the log and tidied."""
    return f"{RAW_PREFIX}dt={folder}/"


def log_prefix(partition: Partition, folder: str) -> str:
    """Prefix of a partition's log objects in a folder."""
    return f"{day_prefix(folder)}{partition.name}-"


def tidied_key(partition: Partition, day: str, symbol: str, first: int, run: int) -> str:
    """Key of a tidied object. A symbol's characters stand as they are (`symbol=^VIX`): S3 takes them."""
    return f"{day_prefix(day)}symbol={symbol}/{partition.name}-{first:012d}-{run:02d}.json.gz"


def parse_tidied_key(key: str) -> TidiedKey | None:
    """Read the key of a tidied object; None is another object."""
    found = _TIDIED_KEY.fullmatch(key)
    if found is None:
        return None
    day, symbol, partitions, number, first, run = found.groups()
    return TidiedKey(day, symbol, Partition(int(number), int(partitions)), int(first), int(run))


def checkpoint_key(partition: Partition) -> str:
    """Key of a partition's checkpoint."""
    return f"{STATE_PREFIX}{partition.name}"


def marker_key(partition: Partition, first: int) -> str:
    """Key of the marker of a tidied folder, by the first revision in it."""
    return f"{marker_prefix(partition)}{first:012d}.json"


def marker_prefix(partition: Partition) -> str:
    """Prefix of a partition's markers."""
    return f"{TIDY_PREFIX}{partition.name}-"


def encode_layout(partitions: int) -> bytes:
    """Bytes of layout.json."""
    return msgspec.json.encode(_Layout(FORMAT, partitions))


def decode_layout(data: bytes) -> int:
    """The number of partitions that layout.json says.

    Raises:
        ValueError: it is of a later format, or no layout at all.
    """
    layout = msgspec.json.decode(data, type=_Layout)
    if layout.v > FORMAT:
        raise ValueError(f"layout.json has format {layout.v}, this code reads up to {FORMAT}")
    return layout.partitions


def tidy_note_key(partition: Partition) -> str:
    """Key of what the tidy remembers of a partition between two nights."""
    return f"{TIDY_PREFIX}{partition.name}.json"


def encode_marker(marker: TidyMarker) -> bytes:
    return msgspec.json.encode(marker)


def decode_marker(data: bytes) -> TidyMarker:
    """Read a marker; raises ValueError where it is none."""
    return msgspec.json.decode(data, type=TidyMarker)


def decode_checkpoint_head(data: bytes) -> CheckpointHead:
    """Read format number, revision and folder of a checkpoint; raises ValueError where it is none."""
    return msgspec.msgpack.decode(data, type=CheckpointHead)


def decode_checkpoint_symbols(data: bytes) -> CheckpointSymbols:
    """Read the symbols of a checkpoint.

    Raises:
        ValueError: it is none, or of a later format.
    """
    if (head := decode_checkpoint_head(data)).v > FORMAT:
        raise ValueError(f"the checkpoint has format {head.v}, this code reads up to {FORMAT}")
    return msgspec.msgpack.decode(data, type=CheckpointSymbols)


def pack_lines(quotes: Iterable[bytes]) -> bytes:
    """Pack quotes, the bytes of each as they came, a line each. The same quotes give the same bytes."""
    of_each = [*quotes, b""]
    lines = b"\n".join(of_each)
    if b"\r" in lines or lines.count(b"\n") >= len(of_each):
        # Outside strings a line break is only white space in JSON, and inside strings JSON does not allow one.
        lines = b"\n".join([data.replace(b"\r", b" ").replace(b"\n", b" ") for data in of_each])
    # mtime=0: the gzip header must not carry the clock.
    return gzip.compress(lines, _GZIP_LEVEL, mtime=0)


def unpack_lines(body: bytes) -> list[bytes]:
    """The quotes of an archived object, each as its bytes; none in a roll or a close.

    Raises:
        OSError, EOFError, zlib.error: it is not whole, no gzip, or holds more than any object of ours.
    """
    lines = b""
    while body:  # one gzip member after the other, as the format has it; ours have one
        unpacker = zlib.decompressobj(wbits=_GZIP_WBITS)
        lines += unpacker.decompress(body, UNPACKED_MAX_BYTES + 1 - len(lines))
        if len(lines) > UNPACKED_MAX_BYTES:
            raise OSError(f"unpacked it is longer than the {UNPACKED_MAX_BYTES} bytes that an object may hold")
        if not unpacker.eof:
            raise EOFError("the gzip ends before its end")
        body = unpacker.unused_data
    return lines.splitlines()
