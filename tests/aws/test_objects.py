"""Reading a bucket, against a server that pages as S3 does."""

import gzip
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from stockstream.aws import AwsConfig, list_keys, open_client, read_object
from tests.moto_server import moto_server

# S3 lists 1,000 keys a page; the stand-in is told to list so many.
PAGE_KEYS = 3


@pytest.fixture(name="aws")
def _aws() -> Iterator[AwsConfig]:
    with moto_server() as url:
        yield AwsConfig("us-east-1", url, "test", "test")


async def test_keys_below_a_prefix_come_in_order_over_all_pages(
    aws: AwsConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", str(PAGE_KEYS))
    expected = [f"raw/{number:04d}" for number in range(2 * PAGE_KEYS + 1)]
    async with open_client(aws, "s3") as s3:
        await s3.create_bucket(Bucket="bucket")
        for key in ["other/1", *reversed(expected)]:
            await s3.put_object(Bucket="bucket", Key=key, Body=b"")
        first_page = await s3.list_objects_v2(Bucket="bucket", Prefix="raw/")
        assert (first_page["KeyCount"], first_page["IsTruncated"]) == (PAGE_KEYS, True)
        assert [key async for key in list_keys(s3, "bucket", "raw/")] == expected
        assert [key async for key in list_keys(s3, "bucket", "none/")] == []


async def test_an_object_is_read_as_it_is_stored_and_its_connection_is_given_back(aws: AwsConfig) -> None:
    packed = gzip.compress(b"a line\n" * 1000)
    async with open_client(aws, "s3", max_pool_connections=1) as s3:
        await s3.create_bucket(Bucket="bucket")
        await s3.put_object(Bucket="bucket", Key="a", Body=packed, ContentEncoding="gzip")
        for _ in range(3):
            assert await read_object(s3, "bucket", "a") == packed
        with pytest.raises(ClientError, match="NoSuchKey"):
            await read_object(s3, "bucket", "b")
