"""The archive on this machine: a folder laid out as the bucket is, kept in step with it by ETag."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from stockstream.aws import AwsConfig, open_client, read_object
from stockstream.errors import AwsUnavailableError, InputError, first_error
from stockstream_wire.storage import RAW_PREFIX

# What the tables read; the rest of the bucket (checkpoints, quarantine, rules) stays where it is.
PREFIXES: Final = (RAW_PREFIX, "quotes/")
_PARALLEL_DOWNLOADS: Final = 16
# A person waits: one more try for a passing fault, and then the reason.
_RETRIES: Final = {"mode": "standard", "max_attempts": 2}
_INDEX_NAME: Final = "index.json"


@dataclass(frozen=True, slots=True)
class LocalArchive:
    """A folder laid out as the bucket: `raw/dt=.../*.json.gz`, maybe `quotes/dt=.../hour=.../*.parquet`."""

    root: Path

    @property
    def json_glob(self) -> str:
        return str(self.root / "raw" / "**" / "*.json.gz")

    @property
    def day_glob(self) -> str:
        return str(self.root / "raw" / "dt=*" / "**" / "*.json.gz")

    @property
    def parquet_glob(self) -> str:
        return str(self.root / "quotes" / "**" / "*.parquet")

    def has(self, glob: str) -> bool:
        """Whether a glob of this archive finds anything."""
        return next(self.root.glob(str(Path(glob).relative_to(self.root))), None) is not None


def cache_folder(cache_dir: Path, origin: str, bucket: str) -> Path:
    """The folder of one bucket at one endpoint: an emulator's bucket must not mix with AWS's of the same name."""
    return cache_dir / "lake" / f"{hashlib.sha256(origin.encode()).hexdigest()[:12]}-{bucket}"


async def fetch_archive(aws: AwsConfig, bucket: str, cache_dir: Path, *, origin: str | None = None) -> LocalArchive:
    """Bring the cached copy in step with the bucket: download what is new or changed, delete what is gone.

    Args:
        aws: Where S3 is.
        bucket: Its name.
        cache_dir: Folder of all copies.
        origin: What tells this bucket from others of its name; None: the endpoint.

    Raises:
        InputError: there is no such bucket.
        AwsUnavailableError: S3 could not be reached or refused.
    """
    try:
        async with open_client(aws, "s3", max_pool_connections=_PARALLEL_DOWNLOADS, retries=_RETRIES) as s3:
            folder = cache_folder(cache_dir, origin or str(s3.meta.endpoint_url), bucket)
            remote = {key: etag async for key, etag in _list(s3, bucket)}
            await _synchronise(s3, bucket, folder, remote)
    except ClientError as exc:
        if exc.response["Error"]["Code"] == "NoSuchBucket":
            raise InputError(f"no bucket {bucket!r}; STOCKSTREAM_ARCHIVE_BUCKET names it") from exc
        raise AwsUnavailableError(f"cannot read the archive s3://{bucket}: {exc}") from exc
    except (BotoCoreError, HTTPClientError) as exc:
        raise AwsUnavailableError(f"cannot read the archive s3://{bucket}: {exc}") from exc
    return LocalArchive(folder)


async def _list(s3: Any, bucket: str) -> AsyncIterator[tuple[str, str]]:
    for prefix in PREFIXES:
        async for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for found in page.get("Contents", ()):
                yield found["Key"], found["ETag"]


async def _synchronise(s3: Any, bucket: str, folder: Path, remote: dict[str, str]) -> None:
    index_path = folder / _INDEX_NAME
    known = await asyncio.to_thread(_read_index, index_path)
    for key in known.keys() - remote.keys():
        _local_path(folder, key).unlink(missing_ok=True)
    # The index first forgets what is about to change, so that an interrupted run downloads it again.
    current = {key: etag for key, etag in known.items() if remote.get(key) == etag}
    wanted = sorted(remote.keys() - current.keys())
    await asyncio.to_thread(_write_index, index_path, current)
    limit = asyncio.Semaphore(_PARALLEL_DOWNLOADS)

    async def download(key: str) -> None:
        async with limit:
            data = await read_object(s3, bucket, key)
        await asyncio.to_thread(_write, _local_path(folder, key), data)
        current[key] = remote[key]

    try:
        async with asyncio.TaskGroup() as group:
            for key in wanted:
                group.create_task(download(key))
    except ExceptionGroup as failed:
        # The caller knows single errors; the first says as much as all of them.
        raise first_error(failed) from failed
    finally:
        await asyncio.to_thread(_write_index, index_path, current)


def _local_path(folder: Path, key: str) -> Path:
    path = PurePosixPath(key)
    if path.is_absolute() or ".." in path.parts:
        raise InputError(f"the key {key!r} would leave the cache folder; it is none of the archive's")
    return folder / path


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    partial.replace(path)


def _read_index(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except ValueError as exc:
        raise InputError(f"{path} is damaged: {exc}. Remedy: delete the folder, it is a cache") from exc


def _write_index(path: Path, index: dict[str, str]) -> None:
    _write(path, json.dumps(index).encode())
