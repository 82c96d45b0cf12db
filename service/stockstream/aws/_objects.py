"""Reading a bucket: the keys below a prefix, page by page, and one object whole."""

from collections.abc import AsyncIterator
from typing import Any, Final

from stockstream.aws._bounded import read_bounded

# The largest of ours: a quarantined record of 10 MiB in base64, a failed batch of 6 MB, an archive object packed.
OBJECT_MAX_BYTES: Final = 64 * 1024 * 1024


async def list_keys(s3: Any, bucket: str, prefix: str) -> AsyncIterator[str]:
    """Iterate over the keys below a prefix, in S3's order (UTF-8 bytes).

    Args:
        s3: An open client.
        bucket: Its name.
        prefix: What the keys begin with.
    """
    async for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", ()):
            yield entry["Key"]


async def read_object(s3: Any, bucket: str, key: str) -> bytes:
    """Read an object as it is stored, not decompressed; its connection goes back to the pool.

    Raises:
        AnswerTooLargeError: it is larger than `OBJECT_MAX_BYTES`.
    """
    response = await s3.get_object(Bucket=bucket, Key=key)
    async with response["Body"] as stream:
        return await read_bounded(stream, OBJECT_MAX_BYTES, f"s3://{bucket}/{key}")
