"""One revision of a partition's log, read: its quotes, and what its metadata says."""

import gzip
import zlib
from datetime import datetime
from typing import Any, Final, NamedTuple

from botocore.exceptions import ClientError

from stockstream.errors import PermanentError
from stockstream_wire.storage import (
    CLOSE,
    FORMAT,
    FORMAT_HEADER,
    LAYOUT_KEY,
    NEXT_FOLDER,
    Partition,
    decode_layout,
    log_key,
    unpack_lines,
)

# The SDK takes S3's prefix of user metadata off.
_METADATA_PREFIX: Final = "x-amz-meta-"
_MISSING: Final = frozenset({"NoSuchKey", "404"})


class LogFormatError(PermanentError):
    """A later version of Stockstream wrote it, or it is damaged; the message names the object."""


class LogEntry(NamedTuple):
    """An object of the log as it is stored.

    Attributes:
        key: Its key.
        body: Its bytes, gzip.
        next_folder: Of a roll: where the revisions behind it lie; else None.
        closed_until: Of a close: windows that ended by then are closed; else None.
        written_at: When S3 took it.
    """

    key: str
    body: bytes
    next_folder: str | None
    closed_until: str | None
    written_at: datetime


async def read_layout(s3: Any, bucket: str) -> int | None:
    """Number of partitions of the log; None where nothing has been stored yet.

    Raises:
        LogFormatError: layout.json is of a later format, or damaged.
    """
    found = await _get(s3, bucket, LAYOUT_KEY)
    if found is None:
        return None
    try:
        return decode_layout(found[0])
    except ValueError as exc:
        raise LogFormatError(f"s3://{bucket}/{LAYOUT_KEY}: {exc}") from exc


async def read_revision(s3: Any, bucket: str, partition: Partition, folder: str, revision: int) -> LogEntry | None:
    """Read one revision; None where the log ends before it.

    Raises:
        LogFormatError: a later version of Stockstream wrote it.
    """
    key = log_key(partition, folder, revision)
    found = await _get(s3, bucket, key)
    if found is None:
        return None
    body, metadata, written_at = found
    version = metadata.get(FORMAT_HEADER.removeprefix(_METADATA_PREFIX), str(FORMAT))
    if not version.isdigit() or int(version) > FORMAT:
        raise LogFormatError(
            f"s3://{bucket}/{key} has format {version}, this version reads up to {FORMAT}. Remedy: a later Stockstream"
        )
    return LogEntry(
        key,
        body,
        metadata.get(NEXT_FOLDER.removeprefix(_METADATA_PREFIX)),
        metadata.get(CLOSE.removeprefix(_METADATA_PREFIX)),
        written_at,
    )


def unpack_entry(key: str, body: bytes) -> list[bytes]:
    """The lines of an archived object.

    Raises:
        LogFormatError: it is no gzip, or not whole.
    """
    try:
        return unpack_lines(body)
    except (gzip.BadGzipFile, OSError, EOFError, zlib.error) as exc:
        raise LogFormatError(f"{key} is not gzip: {exc}") from exc


async def _get(s3: Any, bucket: str, key: str) -> tuple[bytes, dict[str, str], datetime] | None:
    try:
        response = await s3.get_object(Bucket=bucket, Key=key)
    except ClientError as exc:
        if exc.response["Error"]["Code"] in _MISSING:
            return None
        raise
    async with response["Body"] as stream:
        body: bytes = await stream.read()
    return body, response["Metadata"], response["LastModified"]
