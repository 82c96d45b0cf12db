"""The local copy of the bucket, against a real S3 API, and the command that uses it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from stockstream.aws import AwsConfig
from stockstream.cli._commands import stockstream
from stockstream.errors import AwsUnavailableError, InputError
from stockstream.lake import Lake, fetch_archive, find_athena_files
from tests.athena.sessions import quote, tidied_objects, write_archive
from tests.moto_server import moto_server

BUCKET = "stockstream-archive"
VIX = quote("^VIX", "2026-11-20T15:00:00.000Z", "18.2", "18", volume=0)
QUOTES = [
    quote("AAPL", "2026-11-20T15:00:00.000Z", "101.5", "100", volume=10),
    VIX,
    quote("GC=F", "2026-11-20T15:00:00.000Z", "4012.35", "4000", volume=7),
]


@pytest.fixture(name="endpoint", scope="module")
def _endpoint() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(name="aws")
def _aws(endpoint: str) -> AwsConfig:
    return AwsConfig("us-east-1", endpoint, "test", "test")


@pytest.fixture(name="s3")
def _s3(aws: AwsConfig) -> Any:
    client = boto3.client(
        "s3",
        region_name=aws.region,
        endpoint_url=aws.endpoint_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.create_bucket(Bucket=BUCKET)
    for entry in client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        client.delete_object(Bucket=BUCKET, Key=entry["Key"])
    for key, body in tidied_objects(QUOTES).items():
        client.put_object(Bucket=BUCKET, Key=key, Body=body)
    client.put_object(Bucket=BUCKET, Key="quarantine/dt=2026-11-20/shardId-000000000000/1-0.json", Body=b"{}")
    yield client
    client.close()


def symbols(archive: Any) -> list[str]:
    with Lake(archive, find_athena_files()) as lake:
        (result,) = lake.run("SELECT symbol FROM stock_data_table ORDER BY symbol")
    return [row[0] for row in result.rows]


async def test_the_archive_comes_over_and_the_quarantine_stays(aws: AwsConfig, s3: Any, tmp_path: Path) -> None:
    archive = await fetch_archive(aws, BUCKET, tmp_path)
    assert symbols(archive) == ["AAPL", "GC=F", "^VIX"]
    assert sorted(path.name for path in archive.root.iterdir()) == ["index.json", "raw"]


async def test_the_second_time_only_changes_come_over(aws: AwsConfig, s3: Any, tmp_path: Path) -> None:
    archive = await fetch_archive(aws, BUCKET, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in archive.root.rglob("*.json.gz")}
    (gone,) = tidied_objects([VIX])
    s3.delete_object(Bucket=BUCKET, Key=gone)
    for key, body in tidied_objects([quote("AAPL", "2026-11-20T15:00:00.000Z", "999", "100")]).items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    archive = await fetch_archive(aws, BUCKET, tmp_path)
    assert symbols(archive) == ["AAPL", "GC=F"]
    after = {path: path.stat().st_mtime_ns for path in archive.root.rglob("*.json.gz")}
    assert [path for path in after if after[path] == before[path]] == [p for p in after if "GC=F" in str(p)]


async def test_two_endpoints_do_not_share_a_copy(aws: AwsConfig, s3: Any, tmp_path: Path) -> None:
    other = AwsConfig(aws.region, str(aws.endpoint_url).replace("127.0.0.1", "localhost"), "test", "test")
    first = await fetch_archive(aws, BUCKET, tmp_path)
    assert (await fetch_archive(other, BUCKET, tmp_path)).root != first.root


async def test_a_bucket_that_is_not_there_is_named(aws: AwsConfig, s3: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no-such-bucket"):
        await fetch_archive(aws, "no-such-bucket", tmp_path)


async def test_an_endpoint_that_is_not_there_can_be_tried_again(tmp_path: Path, unused_tcp_port: int) -> None:
    aws = AwsConfig("us-east-1", f"http://127.0.0.1:{unused_tcp_port}", "test", "test")
    with pytest.raises(AwsUnavailableError, match=BUCKET):
        await fetch_archive(aws, BUCKET, tmp_path)


async def test_a_key_that_would_leave_the_cache_is_refused(aws: AwsConfig, s3: Any, tmp_path: Path) -> None:
    s3.put_object(Bucket=BUCKET, Key="raw/../../../escaped.json.gz", Body=b"")
    with pytest.raises(InputError, match="leave the cache"):
        await fetch_archive(aws, BUCKET, tmp_path / "cache")
    assert not (tmp_path / "escaped.json.gz").exists()


def run(*arguments: str, **environ: str) -> Result:
    # None removes a variable of the machine's.
    cleared = {name: None for name in os.environ if name.startswith(("STOCKSTREAM_", "AWS_"))}
    return CliRunner().invoke(stockstream, ["query", *arguments], env={**cleared, **environ})


def test_the_command_queries_the_bucket(endpoint: str, s3: Any, tmp_path: Path) -> None:
    result = run(
        'SELECT symbol, price, "timestamp" FROM stock_data_table ORDER BY symbol',
        "--format",
        "json",
        AWS_ENDPOINT_URL=endpoint,
        AWS_REGION="us-east-1",
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        STOCKSTREAM_CACHE_DIR=str(tmp_path),
        STOCKSTREAM_ARCHIVE_BUCKET=BUCKET,
    )
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.output.splitlines()]
    assert [(row["symbol"], row["price"]) for row in rows] == [("AAPL", "101.5"), ("GC=F", "4012.35"), ("^VIX", "18.2")]


def test_the_command_runs_a_file_a_name_and_a_folder(tmp_path: Path) -> None:
    archive = str(write_archive(tmp_path / "archive", QUOTES))
    script = tmp_path / "mine.sql"
    script.write_text("SELECT count(*) AS n FROM stock_data_table; SELECT max(volume) AS v FROM stock_data_table;")
    both = run(str(script), "--archive", archive, "--format", "csv")
    assert (both.exit_code, both.output) == (0, "n\n3\nv\n10\n")
    named = run("gaps", "--archive", archive)
    assert named.exit_code == 0, named.output
    assert "gap_percent" in named.output
    assert "2 rows" in named.output
    assert "published" in run("--list").output


def test_the_command_says_what_an_argument_may_be(tmp_path: Path) -> None:
    result = run("no_such_query", "--archive", str(tmp_path))
    assert isinstance(result.exception, InputError)
    assert "vwap_per_day" in str(result.exception)
    assert run("--archive", str(tmp_path)).exit_code == 2
