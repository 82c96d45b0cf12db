"""Clients of aiobotocore as we open them: what every call says, and what every failure tells."""

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from stockstream.aws import AwsConfig, open_client, resolve_aws
from stockstream.errors import SettingsError
from stockstream_wire.version import USER_AGENT
from tests.consumer.scripted_aws import ScriptedAws, scripted_aws

VARIANTS = ("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT")


@pytest.fixture
def aws() -> Iterator[ScriptedAws]:
    with scripted_aws() as server:
        yield server


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIANTS, "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


def config(aws: ScriptedAws) -> AwsConfig:
    return AwsConfig("eu-west-1", aws.url, "AKID", "secret")


async def test_every_call_says_who_we_are(aws: ScriptedAws) -> None:
    async with open_client(config(aws), "kinesis", max_pool_connections=2) as kinesis:
        await kinesis.list_shards(StreamName="quotes")
    assert USER_AGENT in aws.requests[0]["headers"]["user-agent"].split()


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "content", "headers"),
    [
        (
            "kinesis",
            "list_shards",
            {"StreamName": "quotes"},
            b'{"__type":"AccessDeniedException","message":"no"}',
            {"x-amzn-RequestId": "R1"},
        ),
        (
            "s3",
            "get_object",
            {"Bucket": "bucket", "Key": "key"},
            b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>",
            {"x-amz-request-id": "R1"},
        ),
    ],
)
async def test_every_client_error_names_the_request(  # noqa: PLR0917 - pytest passes them by name
    service: str,
    operation: str,
    arguments: dict[str, str],
    content: bytes,
    headers: dict[str, str],
    aws: ScriptedAws,
) -> None:
    aws.say(403, content, headers)
    async with open_client(config(aws), service) as client:
        with pytest.raises(ClientError, match=r"AccessDenied.*: no \(request id R1\)"):
            await getattr(client, operation)(**arguments)


@pytest.mark.parametrize("service", ["kinesis", "s3"])
async def test_fips_and_dual_stack_are_honoured(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIANTS:
        monkeypatch.setenv(name, "true")
    async with open_client(resolve_aws("us-west-2"), service) as client:
        url = client.meta.endpoint_url
    assert url.startswith((f"https://{service}-fips.us-west-2.api.aws", f"https://{service}-fips.dualstack.us-west-2"))


async def test_an_endpoint_of_our_own_has_no_variants(aws: ScriptedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    async with open_client(config(aws), "kinesis") as kinesis:
        await kinesis.list_shards(StreamName="quotes")
    assert len(aws.requests) == 1


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"AWS_USE_FIPS_ENDPOINT": "yes"}, "AWS_USE_FIPS_ENDPOINT='yes': must be true or false"),
        (
            {"AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_ENDPOINT_URL_S3": "http://localhost:4566"},
            "AWS_ENDPOINT_URL_S3 names one endpoint and AWS_USE_DUALSTACK_ENDPOINT asks for another",
        ),
    ],
)
def test_two_answers_to_one_question_are_refused_by_name(
    environ: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=message):
        resolve_aws("us-west-2")


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy"])
async def test_an_emulator_on_this_machine_is_asked_directly_whatever_proxy_there_is(
    aws: ScriptedAws, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with open_client(config(aws), "kinesis", max_pool_connections=2) as kinesis:
        await kinesis.list_shards(StreamName="quotes")
    assert len(aws.requests) == 1


async def test_clients_share_what_was_read_of_a_service(aws: ScriptedAws) -> None:
    async with open_client(config(aws), "sqs") as first, open_client(config(aws), "sqs") as second:
        assert first.meta.service_model.metadata is second.meta.service_model.metadata
