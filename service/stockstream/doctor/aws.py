"""Checks of what the service uses on AWS: who we are, the stream, the tables, the bucket, the topic, the clock."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from stockstream.doctor.findings import Finding, Status
from stockstream_wire.aws.error_codes import ErrorKind, kind_of
from stockstream_wire.storage import UNSENT_INDEX

# AWS refuses signatures more than five minutes off (SigV4); a minute off is a clock that nobody sets.
CLOCK_SKEW_PROBLEM_SECONDS: Final = 300.0
CLOCK_SKEW_WARNING_SECONDS: Final = 60.0

_MISSING: Final = frozenset({"ResourceNotFoundException", "NoSuchBucket", "NotFound", "NotFoundException", "404"})


async def guarded(check: str, look: Callable[[], Awaitable[Finding]], *, missing: str) -> Finding:
    """Run a check, and turn what AWS or the network say into a finding.

    Args:
        check: Name of the check.
        look: Does the calls; raises what botocore raises.
        missing: Remedy where the thing does not exist.
    """
    try:
        return await look()
    except ClientError as exc:
        return _client_error(check, exc, missing)
    except (NoCredentialsError, PartialCredentialsError) as exc:
        return _no_credentials(check, exc)
    except (BotoCoreError, OSError) as exc:
        remedy = "check the network, the region (STOCKSTREAM_REGION, AWS_REGION) and AWS_ENDPOINT_URL"
        return Finding(check, Status.PROBLEM, f"cannot reach AWS: {exc}", remedy, cause="unreachable")


async def check_credentials(sts: Any) -> tuple[Finding, datetime | None]:
    """Ask who we are; also gives the server's time, refused or not."""
    server_time: datetime | None = None

    async def look() -> Finding:
        nonlocal server_time
        try:
            reply = await sts.get_caller_identity()
        except ClientError as exc:
            server_time = _date_of(exc.response)
            raise
        server_time = _date_of(reply)
        return Finding("credentials", Status.OK, f"{reply['Arn']} (account {reply['Account']})")

    return await guarded("credentials", look, missing=""), server_time


def check_clock(server_time: datetime | None, now: datetime) -> Finding:
    """Compare our clock with the server's `Date` (whole seconds)."""
    if server_time is None:
        return Finding("clock", Status.SKIPPED, "no server has told its time")
    skew_seconds = (now - server_time).total_seconds()
    detail = f"{abs(skew_seconds):.0f} s {'ahead of' if skew_seconds > 0 else 'behind'} AWS"
    remedy = "set the clock: enable NTP (timedatectl set-ntp true), or let the container use its host's clock"
    if abs(skew_seconds) > CLOCK_SKEW_PROBLEM_SECONDS:
        return Finding("clock", Status.PROBLEM, f"{detail}; AWS refuses more than 300 s", remedy)
    if abs(skew_seconds) > CLOCK_SKEW_WARNING_SECONDS:
        return Finding("clock", Status.WARNING, detail, remedy)
    return Finding("clock", Status.OK, detail)


async def check_stream(kinesis: Any, name: str) -> Finding:
    """Describe the stream; it must be ACTIVE."""

    async def look() -> Finding:
        summary = (await kinesis.describe_stream_summary(StreamName=name))["StreamDescriptionSummary"]
        status, shards = summary["StreamStatus"], summary["OpenShardCount"]
        if status not in {"ACTIVE", "UPDATING"}:
            return Finding("stream", Status.PROBLEM, f"{name} is {status}", "wait until it is ACTIVE, then try again")
        return Finding("stream", Status.OK, f"{name} is {status}, {shards} open shards")

    return await guarded("stream", look, missing=f"create stream {name} (terraform apply), or set STOCKSTREAM_STREAM")


async def check_table(dynamodb: Any, label: str, name: str, key: tuple[str, ...]) -> Finding:
    """Describe a table; it must be ACTIVE and have the key our code writes, and `alerts` its index.

    Args:
        dynamodb: Client.
        label: quotes, candles or alerts.
        name: Its name here.
        key: Names of its key attributes, hash key first.
    """
    check = f"table_{label}"

    async def look() -> Finding:
        table = (await dynamodb.describe_table(TableName=name))["Table"]
        found = tuple(part["AttributeName"] for part in table["KeySchema"])
        if found != key:
            remedy = "this is another table: set STOCKSTREAM_" + f"{label.upper()}_TABLE, or make it anew"
            return Finding(check, Status.PROBLEM, f"{name} has key {found}, expected {key}", remedy)
        indexes = {index["IndexName"] for index in table.get("GlobalSecondaryIndexes", ())}
        if label == "alerts" and UNSENT_INDEX not in indexes:
            detail = f"{name} has no index {UNSENT_INDEX}: alerts that SNS refused once would never be sent"
            return Finding(check, Status.PROBLEM, detail, "make it anew with its index (terraform apply)")
        if table["TableStatus"] not in {"ACTIVE", "UPDATING"}:
            return Finding(check, Status.PROBLEM, f"{name} is {table['TableStatus']}", "wait until it is ACTIVE")
        return Finding(check, Status.OK, f"{name} is {table['TableStatus']}")

    return await guarded(
        check, look, missing=f"create table {name} (terraform apply), or set STOCKSTREAM_{label.upper()}_TABLE"
    )


async def check_bucket(s3: Any, name: str) -> Finding:
    """See whether the archive bucket exists and is ours to read."""

    async def look() -> Finding:
        await s3.head_bucket(Bucket=name)
        return Finding("bucket", Status.OK, f"{name} exists")

    return await guarded(
        "bucket", look, missing=f"create bucket {name} (terraform apply), or set STOCKSTREAM_ARCHIVE_BUCKET"
    )


async def check_topic(sns: Any, arn: str | None) -> Finding:
    """See whether the alerts topic exists and somebody has confirmed a subscription."""
    if arn is None:
        return Finding(
            "topic", Status.SKIPPED, "STOCKSTREAM_ALERTS_TOPIC_ARN is not set", "set it to have the topic checked"
        )

    async def look() -> Finding:
        subscriptions = (await sns.list_subscriptions_by_topic(TopicArn=arn))["Subscriptions"]
        pending = sum(not subscription["SubscriptionArn"].startswith("arn:") for subscription in subscriptions)
        confirmed = len(subscriptions) - pending
        if confirmed:
            return Finding("topic", Status.OK, f"{arn}: {confirmed} subscriptions confirmed, {pending} pending")
        remedy = "subscribe an address to the topic and confirm it, or nobody hears of alerts"
        return Finding("topic", Status.WARNING, f"{arn}: no confirmed subscription, {pending} pending", remedy)

    return await guarded("topic", look, missing="create the topic (terraform apply), or correct the ARN")


async def check_queue(sqs: Any, url: str | None) -> Finding:
    """See whether the queue of failed batches exists, and whether batches wait in it."""
    if url is None:
        return Finding("failed_batches", Status.SKIPPED, "STOCKSTREAM_FAILED_BATCHES_QUEUE_URL is not set")

    async def look() -> Finding:
        name = "ApproximateNumberOfMessages"
        reply = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        waiting = int(reply.get("Attributes", {}).get(name, 0))
        if waiting:
            return Finding("failed_batches", Status.WARNING, f"{waiting} batches wait", "see `stockstream redrive`")
        return Finding("failed_batches", Status.OK, "empty")

    return await guarded("failed_batches", look, missing="create the queue (terraform apply), or correct the URL")


def _date_of(response: Any) -> datetime | None:
    header = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        return parsedate_to_datetime(header) if header else None
    except ValueError:
        return None


def _no_credentials(check: str, exc: Exception) -> Finding:
    remedy = (
        "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run `aws configure` (or `aws sso login`)"
    )
    return Finding(check, Status.PROBLEM, str(exc), remedy, cause="credentials")


def _client_error(check: str, exc: ClientError, missing: str) -> Finding:
    error = exc.response.get("Error", {})
    code, words = str(error.get("Code", "")), str(error.get("Message", ""))
    kind = kind_of(code, 0)
    if kind is ErrorKind.EXPIRED:
        remedy = "renew the credentials (`aws sso login`, a new session)"
        return Finding(check, Status.PROBLEM, f"{code}: {words}", remedy, cause="credentials")
    if kind is ErrorKind.CREDENTIALS or code == "SignatureDoesNotMatch":
        remedy = "the credentials are not of this account; check AWS_*"
        return Finding(check, Status.PROBLEM, f"{code}: {words}", remedy, cause="credentials")
    if kind is ErrorKind.ACCESS or code == "403":
        remedy = "allow the action to this identity; docs/deploy.md lists the service's policy"
        return Finding(check, Status.PROBLEM, f"{code}: {words}", remedy)
    if code in _MISSING or code.endswith(("NotFound", "NonExistentQueue", "DoesNotExist")):
        return Finding(check, Status.PROBLEM, f"does not exist ({code})", missing)
    return Finding(check, Status.PROBLEM, f"{code}: {words}", "see the AWS Health Dashboard, then try again")
