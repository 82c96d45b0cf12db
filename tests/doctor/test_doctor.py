"""The doctor against moto's server, which speaks AWS's own protocols."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest

from stockstream.aws import AwsConfig, open_client
from stockstream.backfill import Gap, GapLog
from stockstream.backfill.filled import FilledGaps, key_of, write_filled
from stockstream.doctor import Finding, Status, examine, has_problem, render_json, render_text
from stockstream.doctor.aws import check_clock
from stockstream.doctor.local import check_gaps
from stockstream.local.provision import UNSENT_KEYS, table_request
from stockstream.settings import Settings, load_settings
from stockstream.workers.members import Row
from stockstream.workers.table import WorkersTable
from stockstream_wire import format_timestamp
from stockstream_wire.storage import TABLES, WORKERS_KEY, TableKey
from tests.moto_server import moto_server
from tests.patience import PATIENCE_SECONDS


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture
def environment(endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "STOCKSTREAM_"))]:
        monkeypatch.delenv(name)
    values = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "STOCKSTREAM_SOURCE": "simulated",
        "STOCKSTREAM_CACHE_DIR": str(tmp_path / "cache"),
        "STOCKSTREAM_OUTBOX_DIR": str(tmp_path / "outbox"),
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def client(endpoint: str, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def reset(endpoint: str) -> None:
    request = Request(f"{endpoint}/moto-api/reset", method="POST")  # noqa: S310 - moto, on loopback
    with urlopen(request) as reply:  # noqa: S310
        assert reply.status == 200


@pytest.fixture
def everything(endpoint: str, environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    reset(endpoint)
    client(endpoint, "kinesis").create_stream(StreamName="stockstream", ShardCount=2)
    dynamodb = client(endpoint, "dynamodb")
    for name, key in TABLES.items():
        make_table(dynamodb, name, key, UNSENT_KEYS if name == "alerts" else None)
    client(endpoint, "s3").create_bucket(Bucket="stockstream-archive")
    sns = client(endpoint, "sns")
    topic = sns.create_topic(Name="stockstream-alerts")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:q")
    queue = client(endpoint, "sqs").create_queue(QueueName="stockstream-failed-batches")["QueueUrl"]
    monkeypatch.setenv("STOCKSTREAM_ALERTS_TOPIC_ARN", topic)
    monkeypatch.setenv("STOCKSTREAM_FAILED_BATCHES_QUEUE_URL", queue)
    yield
    reset(endpoint)


def make_table(dynamodb: Any, name: str, key: TableKey, index: TableKey | None = None) -> None:
    dynamodb.create_table(**table_request(name, key, index))


def settings() -> Settings:
    return load_settings()


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    assert len({finding.check for finding in findings}) == len(findings)
    return {finding.check: finding for finding in findings}


async def test_a_complete_setup_has_no_problem(everything: None) -> None:
    found = by_name(await examine(settings()))

    assert {name for name, finding in found.items() if finding.status is not Status.OK} == {"source"}
    assert found["source"].status is Status.SKIPPED
    assert set(found) == {
        "source", "watchlist", "cache_folder", "outbox_folder", "gaps", "credentials", "clock", "stream", "bucket",
        "topic", "failed_batches", *(f"table_{name}" for name in TABLES),
    }  # fmt: skip


async def test_an_empty_account_is_told_item_by_item_with_remedies(environment: None) -> None:
    found = by_name(await examine(settings()))

    for check in ("stream", "bucket", *(f"table_{name}" for name in TABLES)):
        assert found[check].status is Status.PROBLEM, found[check]
        assert "does not exist" in found[check].detail
        assert found[check].remedy
    assert found["credentials"].status is Status.OK
    assert found["topic"].status is Status.SKIPPED


async def test_who_shares_the_watchlist_is_counted(
    everything: None, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOCKSTREAM_WORKERS", "auto")
    assert by_name(await examine(settings()))["table_workers"].status is Status.PROBLEM  # there is no such table
    make_table(client(endpoint, "dynamodb"), "workers", WORKERS_KEY)
    aws = AwsConfig("us-east-1", endpoint, "test", "test")
    now = datetime.now(UTC)
    async with open_client(aws, "dynamodb") as dynamodb:
        table = WorkersTable(dynamodb, "workers", "stockstream")
        for worker, serves, age in (("ada", True, 1), ("bob", True, 3600)):
            beat_at = format_timestamp(now - timedelta(seconds=age))
            await table.beat(Row(worker, 1, is_serving=serves, symbols=3, beat_at=beat_at))

        found = by_name(await examine(settings()))["table_workers"]
        assert (found.status, "1 workers with a recent heartbeat, 1 of them" in found.detail) == (Status.OK, True)

        slow = Row(
            "dan", 1, is_serving=True, beat_at=format_timestamp(now - timedelta(minutes=10)), heartbeat_seconds=300
        )
        await table.beat(slow)  # that its own heartbeats are rare is in no setting of who looks
        assert (
            "2 workers with a recent heartbeat, 2 of them" in by_name(await examine(settings()))["table_workers"].detail
        )

        await table.beat(Row("cyd", 1, is_serving=False, beat_at=format_timestamp(now)))
    assert by_name(await examine(settings()))["table_workers"].status is Status.WARNING


async def test_a_table_with_another_key_is_a_problem(everything: None, endpoint: str) -> None:
    dynamodb = client(endpoint, "dynamodb")
    dynamodb.delete_table(TableName="candles")
    make_table(dynamodb, "candles", TableKey("id", "version"))

    found = by_name(await examine(settings()))

    assert found["table_candles"].status is Status.PROBLEM
    assert "('id', 'version')" in found["table_candles"].detail


async def test_alerts_without_their_index_are_a_problem_for_they_would_never_be_sent_again(
    everything: None, endpoint: str
) -> None:
    dynamodb = client(endpoint, "dynamodb")
    dynamodb.delete_table(TableName="alerts")
    make_table(dynamodb, "alerts", TABLES["alerts"])

    found = by_name(await examine(settings()))

    assert found["table_alerts"].status is Status.PROBLEM
    assert "no index unsent" in found["table_alerts"].detail


async def test_a_topic_without_subscribers_is_a_warning(everything: None, endpoint: str) -> None:
    sns = client(endpoint, "sns")
    for subscription in sns.list_subscriptions()["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])

    found = await examine(settings())

    assert by_name(found)["topic"].status is Status.WARNING
    assert not has_problem(found)


async def test_waiting_failed_batches_are_a_warning(everything: None, endpoint: str) -> None:
    url = os.environ["STOCKSTREAM_FAILED_BATCHES_QUEUE_URL"]
    client(endpoint, "sqs").send_message(QueueUrl=url, MessageBody="{}")

    finding = by_name(await examine(settings()))["failed_batches"]

    assert finding.status is Status.WARNING
    assert "redrive" in finding.remedy


async def test_missing_credentials_are_a_problem_with_a_remedy(
    environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    finding = by_name(await examine(settings()))["credentials"]

    assert finding.status is Status.PROBLEM
    assert "AWS_PROFILE" in finding.remedy


async def test_an_endpoint_that_nobody_serves_is_a_problem_and_no_traceback(
    environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    found = by_name(await examine(settings()))

    assert found["credentials"].status is Status.PROBLEM
    assert "cannot reach AWS" in found["credentials"].detail
    assert found["clock"].status is Status.SKIPPED
    # One cause is said once; what could not be asked for the same reason points to it.
    assert {found[check].status for check in ("stream", "table_quotes", "bucket")} == {Status.SKIPPED}
    assert found["stream"].detail == "the same as credentials"


async def test_no_region_is_one_problem(environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")

    found = by_name(await examine(settings()))

    assert found["region"].status is Status.PROBLEM
    assert "stream" not in found


@pytest.mark.parametrize(
    ("skew_seconds", "status"),
    [(0, Status.OK), (59, Status.OK), (-61, Status.WARNING), (61, Status.WARNING), (-301, Status.PROBLEM)],
)
def test_a_wrong_clock_is_told_before_aws_refuses_it(skew_seconds: int, status: Status) -> None:
    server = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)

    assert check_clock(server, server + timedelta(seconds=skew_seconds)).status is status


async def test_the_clock_is_compared_with_the_server_s(everything: None) -> None:
    found = by_name(await examine(settings(), now=lambda: datetime.now(UTC) + timedelta(hours=1)))

    assert found["clock"].status is Status.PROBLEM


async def test_an_unwritable_folder_is_a_problem(environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_CACHE_DIR", "/proc/1/none")

    assert by_name(await examine(settings()))["cache_folder"].status is Status.PROBLEM


@pytest.mark.parametrize(
    ("mode", "outcome", "status", "waiting"),
    [
        ("auto", "", Status.OK, 1),
        ("auto", "filled", Status.OK, 0),
        ("auto", "given up", Status.WARNING, 1),
        ("off", "", Status.WARNING, 1),
        ("off", "filled", Status.OK, 0),
    ],
)
def test_gaps_that_nobody_fills_are_a_warning(
    tmp_path: Path, mode: str, outcome: str, status: Status, waiting: int
) -> None:
    now = datetime(2026, 11, 25, 17, tzinfo=UTC)
    log = GapLog(tmp_path)
    gap = Gap("downtime", "2026-11-25T15:00:00.000Z", "2026-11-25T16:00:00.000Z", "yahoo")
    log.append(Gap("downtime", "2026-11-01T15:00:00.000Z", "2026-11-01T16:00:00.000Z", "yahoo"))
    log.append(gap)
    write_filled(tmp_path, FilledGaps({key_of(gap): outcome} if outcome else {}))

    finding = check_gaps(load_settings({"outbox_dir": tmp_path / "outbox", "backfill": mode}), now)

    assert (finding.status, finding.detail) == (status, f"1 in the last 7 days, {waiting} not filled")
    assert bool(finding.remedy) == (status is Status.WARNING)


def test_renderings_say_the_same() -> None:
    findings = [Finding("a", Status.OK, "fine"), Finding("b", Status.PROBLEM, "broken", "mend it")]

    document = json.loads(render_json(findings))

    assert document["ok"] is False
    assert document["findings"][1] == {"check": "b", "status": "problem", "detail": "broken", "remedy": "mend it"}
    assert "mend it" in render_text(findings)
    assert render_text(findings).splitlines()[0].split() == ["ok", "a", "fine"]


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize(("stream", "code"), [("stockstream", 0), ("another", 1)])
def test_the_command_ends_with_one_where_anything_is_wrong(stream: str, code: int) -> None:
    command = [sys.executable, "-m", "stockstream", "doctor", "--json"]

    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "STOCKSTREAM_STREAM": stream},
        timeout=PATIENCE_SECONDS,
    )

    assert done.returncode == code, done.stderr
    assert json.loads(done.stdout)["ok"] is (code == 0)
