"""Credentials that AWS has refused are asked for anew, at once and not in a storm; a source that hangs is cut off."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, CredentialRetrievalError
from structlog.testing import capture_logs

from stockstream.aws import AwsConfig, find_credentials, open_client
from stockstream.aws import _credentials as module
from stockstream.aws._credentials import RenewingCredentials
from stockstream.sender import Sender, SenderConfig
from tests.aws.metadata_server import MetadataServer, metadata_server
from tests.patience import PATIENCE_SECONDS
from tests.sender.conftest import Kinesis, Quotes, kinesis, quotes

__all__ = ["kinesis", "quotes"]
_AWS = AwsConfig("us-east-1")


@pytest.fixture(params=["ecs", "ec2"])
async def metadata(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[MetadataServer]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    async with metadata_server() as server:
        if request.param == "ecs":
            monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.url}/ecs")
        else:
            monkeypatch.delenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", raising=False)
            monkeypatch.delenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", raising=False)
            monkeypatch.delenv("AWS_EC2_METADATA_DISABLED", raising=False)
            monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{server.url}/")
        yield server


@pytest.mark.parametrize("transport", ["fast", "aiobotocore"])
async def test_after_a_refusal_the_next_call_is_made_at_once_with_what_the_endpoint_has_now(
    metadata: MetadataServer, kinesis: Kinesis, quotes: Quotes, transport: Any
) -> None:
    config = SenderConfig(stream="stockstream", linger_seconds=0.005, transport=transport)
    with capture_logs() as logs:
        async with Sender(config, AwsConfig("us-east-1", kinesis.url)) as sender:
            await sender.send(quotes.take(20))
            assert await sender.drain(PATIENCE_SECONDS) == 0
            # Revoked before its time: by its own word it is valid for hours.
            kinesis.stream.refuse_access_key = "OLDKEY"
            metadata.key = "NEWKEY"
            await sender.send(quotes.take(20))
            assert await sender.drain(PATIENCE_SECONDS) == 0
    assert not [entry for entry in logs if entry["event"] in {"sender_blocked", "kinesis_away"}]
    assert len([entry for entry in logs if entry["event"] == "credentials_renewed"]) == 1


async def _put(client: Any) -> None:
    record = {"Data": b"{}", "PartitionKey": "lane-0", "ExplicitHashKey": "0"}
    await client.put_records(StreamName="stockstream", Records=[record])


async def test_many_calls_refused_together_ask_once_and_all_succeed(metadata: MetadataServer, kinesis: Kinesis) -> None:
    async with open_client(AwsConfig("us-east-1", kinesis.url), "kinesis", retries={"total_max_attempts": 1}) as client:
        await _put(client)
        given = metadata.given
        kinesis.stream.refuse_access_key = "OLDKEY"
        metadata.key = "NEWKEY"
        await asyncio.gather(*(_put(client) for _ in range(20)))
    assert metadata.given - given == 1


async def test_a_role_that_stays_refused_asks_the_endpoint_seldom(metadata: MetadataServer, kinesis: Kinesis) -> None:
    kinesis.stream.refuse_access_key = "OLDKEY"
    async with open_client(AwsConfig("us-east-1", kinesis.url), "kinesis") as client:
        for _ in range(30):
            with pytest.raises(ClientError, match="ExpiredToken"):
                await _put(client)
    # The first load and one renewal; the next may come after five seconds.
    assert metadata.given <= 3


async def test_the_pause_between_renewals_doubles_and_a_calm_time_resets_it(metadata: MetadataServer) -> None:
    now = 1000.0
    source = find_credentials(_AWS)
    credentials = RenewingCredentials(source._find, monotonic=lambda: now)
    await credentials.get_frozen_credentials()
    asked = []
    for _ in range(4000):
        before = metadata.given
        await credentials.renew()
        if metadata.given > before:
            asked.append(now - 1000.0)
        now += 0.1
    assert [round(moment) for moment in asked[:6]] == [0, 5, 15, 35, 75, 135]
    now += 10_000.0
    given = metadata.given
    await credentials.renew()
    now += module.RENEWAL_PAUSE_MIN_SECONDS
    await credentials.renew()
    assert metadata.given - given == 2


async def test_an_endpoint_that_hangs_is_cut_off_by_name(
    metadata: MetadataServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOAD_SECONDS", 0.2)
    metadata.hangs = True
    with pytest.raises(TimeoutError, match="source of credentials"):
        await find_credentials(_AWS).get_frozen_credentials()


async def test_a_sender_starts_and_accepts_while_the_endpoint_hangs(
    metadata: MetadataServer, kinesis: Kinesis, quotes: Quotes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Less than the second after which botocore takes EC2's silence for "no such endpoint".
    monkeypatch.setattr(module, "LOAD_SECONDS", 0.8)
    metadata.hangs = True
    config = SenderConfig(stream="stockstream", linger_seconds=0.005)
    with capture_logs() as logs:
        async with Sender(config, AwsConfig("us-east-1", kinesis.url)) as sender:
            await sender.send(quotes.take(20))
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not any(entry["event"] == "kinesis_away" for entry in logs):  # noqa: ASYNC110 (no event)
                    await asyncio.sleep(0.01)
            metadata.hangs = False
            assert await sender.drain(PATIENCE_SECONDS) == 0


@pytest.mark.parametrize("metadata", ["ecs"], indirect=True)
async def test_what_the_endpoint_gives_and_has_expired_already_is_a_failure_by_name(metadata: MetadataServer) -> None:
    # At EC2 botocore goes on with them, as AWS asks SDKs to do when IMDS cannot renew.
    metadata.is_expired = True
    with pytest.raises(CredentialRetrievalError, match="expired"):
        await find_credentials(_AWS).get_frozen_credentials()


@pytest.mark.parametrize("metadata", ["ecs"], indirect=True)
async def test_a_document_that_is_none_is_a_failure_by_name(metadata: MetadataServer) -> None:
    metadata.broken = {"Code": "Success", "Expiration": "soon"}
    with pytest.raises(CredentialRetrievalError, match="AccessKeyId"):
        await find_credentials(_AWS).get_frozen_credentials()
