"""The consumer's own path to AWS, against botocore's signer and against a server that misbehaves."""

import json
import ssl
import urllib.parse
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from stockstream_lambda.aws.client import MAX_ATTEMPTS, ServiceClient
from stockstream_lambda.aws.credentials import CredentialSource, endpoint_for
from stockstream_lambda.aws.dynamodb import DynamoDb, Table, Write
from stockstream_lambda.aws.s3 import S3
from stockstream_lambda.aws.sns import Message, Sns
from stockstream_lambda.aws.transport import _tls_context
from stockstream_lambda.errors import StoreRefusedError, StoreUnavailableError
from stockstream_wire.storage import TABLES
from stockstream_wire.version import USER_AGENT
from tests.consumer.scripted_aws import ScriptedAws, scripted_aws

NOW = datetime(2026, 11, 22, 14, 30, 5, tzinfo=UTC)
QUOTES = Table("quotes", TABLES["quotes"])
ENVIRON = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1"}


@pytest.fixture
def aws() -> Iterator[ScriptedAws]:
    with scripted_aws() as server:
        yield server


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def client(aws: ScriptedAws, pauses: list[float]) -> Iterator[ServiceClient]:
    environ = {**ENVIRON, "AWS_ENDPOINT_URL": aws.url}
    made = ServiceClient(
        "dynamodb",
        "eu-west-1",
        endpoint_for("dynamodb", "eu-west-1", environ),
        CredentialSource(environ),
        sleep=pauses.append,
        jitter=lambda: 1.0,
    )
    with closing(made):
        yield made


def test_throttles_and_server_errors_are_retried_with_growing_pauses(
    aws: ScriptedAws, client: ServiceClient, pauses: list[float]
) -> None:
    aws.say(
        400, {"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", "message": "slow"}
    )
    aws.say(500, {"__type": "InternalServerError"})
    aws.say(503, b"<html>gone</html>")
    DynamoDb(client).batch_write([write("A", "1")])
    assert len(aws.requests) == 4
    assert pauses == [0.1, 0.2, 0.4]


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (400, b"<ErrorResponse><Error><Code>Throttled</Code></Error></ErrorResponse>"),
        (400, b"<ErrorResponse><Error><Code>KMSThrottling</Code></Error></ErrorResponse>"),
        (409, b"<Error><Code>ConditionalRequestConflict</Code></Error>"),
        (400, b'{"__type":"ThrottlingException:http://internal.amazon.com/coral/com.amazon.coral.availability/"}'),
    ],
)
def test_every_service_is_asked_again_when_it_says_later_in_its_own_words(
    status: int, content: bytes, aws: ScriptedAws, client: ServiceClient
) -> None:
    aws.say(status, content)
    assert client.call("Publish", "POST", "/", {}, b"").body == b"{}"
    assert len(aws.requests) == 2


def test_a_status_that_answers_the_question_is_an_answer(aws: ScriptedAws, client: ServiceClient) -> None:
    aws.say(412, b"<Error><Code>PreconditionFailed</Code></Error>", {"x-amz-meta-v": "1", "ETag": '"e"'})
    answer = client.call("PutObject", "PUT", "/b/k", {"if-none-match": "*", "x-amz-meta-v": "1"}, b"x", answers=(412,))
    assert (answer.status, answer.headers()["x-amz-meta-v"], answer.headers()["etag"]) == (412, "1", '"e"')
    sent = aws.requests[0]["headers"]
    assert (sent["if-none-match"], sent["x-amz-meta-v"]) == ("*", "1")
    assert "if-none-match;" in sent["authorization"]
    aws.say(412, b"<Error><Code>PreconditionFailed</Code></Error>")
    with pytest.raises(StoreRefusedError, match="PreconditionFailed"):
        client.call("PutObject", "PUT", "/b/k", {}, b"x")


def test_a_failure_names_the_request_and_every_call_says_who_we_are(aws: ScriptedAws, client: ServiceClient) -> None:
    aws.say(403, b"<Error><Code>AccessDenied</Code></Error>", {"x-amz-request-id": "R1", "x-amz-id-2": "H1"})
    with pytest.raises(StoreRefusedError, match=r"\(request id R1, host id H1\)"):
        client.call("PutObject", "PUT", "/b/k", {}, b"x")
    for _ in range(MAX_ATTEMPTS):
        aws.say(503, b"", {"x-amzn-RequestId": "R2"})
    with pytest.raises(StoreUnavailableError, match=r"HTTP503 \(HTTP 503\): \(request id R2\)"):
        client.call("PutItem", "POST", "/", {}, b"x")
    assert {request["headers"]["user-agent"] for request in aws.requests} == {USER_AGENT}


@pytest.mark.parametrize("content", [b"<html>Welcome!</html>", b'{"Responses":', b"[]", b""])
def test_a_200_that_is_no_json_object_is_a_failing_store(
    content: bytes, aws: ScriptedAws, client: ServiceClient
) -> None:
    aws.say(200, content)
    with pytest.raises(StoreUnavailableError, match="BatchGetItem: the answer is no JSON object"):
        DynamoDb(client).stored_keys(QUOTES, [("A", "1")])


def test_a_service_that_stays_away_is_given_up_after_some_attempts(aws: ScriptedAws, client: ServiceClient) -> None:
    for _ in range(MAX_ATTEMPTS):
        aws.say(503, b"")
    with pytest.raises(StoreUnavailableError, match="BatchWriteItem"):
        DynamoDb(client).batch_write([write("A", "1")])
    assert len(aws.requests) == MAX_ATTEMPTS


def test_nobody_listening_is_unavailable() -> None:
    endpoint = endpoint_for("s3", "eu-west-1", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
    client = ServiceClient("s3", "eu-west-1", endpoint, CredentialSource(ENVIRON), sleep=lambda _: None)
    with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1:1"):
        S3(client, "bucket").put("key", b"", "text/plain")


def test_an_idle_connection_that_the_server_closed_is_replaced_without_a_pause(
    aws: ScriptedAws, client: ServiceClient, pauses: list[float]
) -> None:
    dynamodb = DynamoDb(client)
    dynamodb.batch_write([write("A", "1")])
    aws.say(0, b"")
    dynamodb.batch_write([write("A", "1")])
    assert len(aws.requests) == 3
    assert pauses == []


def test_what_no_retry_cures_is_refused_at_once(aws: ScriptedAws, client: ServiceClient) -> None:
    aws.say(400, {"__type": "AccessDeniedException", "Message": "not yours"})
    with pytest.raises(StoreRefusedError, match=r"AccessDeniedException \(HTTP 400\): not yours"):
        DynamoDb(client).batch_write([write("A", "1")])
    assert len(aws.requests) == 1


def test_items_that_the_service_leaves_come_back_to_the_caller(aws: ScriptedAws, client: ServiceClient) -> None:
    aws.say(200, {"UnprocessedItems": {"quotes": [{"PutRequest": {"Item": {"timestamp": {"S": "2"}, **item("B")}}}]}})
    writes = [write("A", "1"), write("B", "2"), write("B", "1"), write("B", "2", "candles")]
    assert DynamoDb(client).batch_write(writes) == [writes[1]]
    (sent,) = aws.bodies()
    assert {table: len(items) for table, items in sent["RequestItems"].items()} == {"quotes": 3, "candles": 1}


def test_unprocessed_keys_are_asked_for_again_and_all_found_are_returned(
    aws: ScriptedAws, client: ServiceClient
) -> None:
    left = {"quotes": {"Keys": [{**item("B"), "timestamp": {"S": "2"}}], "ConsistentRead": True}}
    aws.say(200, {"Responses": {"quotes": [{**item("A"), "timestamp": {"S": "1"}}]}, "UnprocessedKeys": left})
    aws.say(200, {"Responses": {"quotes": [{**item("B"), "timestamp": {"S": "2"}}]}, "UnprocessedKeys": {}})
    assert DynamoDb(client).stored_keys(QUOTES, [("A", "1"), ("B", "2")]) == {("A", "1"), ("B", "2")}
    first, second = aws.bodies()
    assert first["RequestItems"]["quotes"] == {
        "ConsistentRead": True,
        "ProjectionExpression": "#p,#s",
        "ExpressionAttributeNames": {"#p": "symbol", "#s": "timestamp"},
        "Keys": [{"symbol": {"S": "A"}, "timestamp": {"S": "1"}}, {"symbol": {"S": "B"}, "timestamp": {"S": "2"}}],
    }
    assert second["RequestItems"] == left


def item(symbol: str) -> dict[str, dict[str, str]]:
    return {"symbol": {"S": symbol}}


def write(symbol: str, timestamp: str, table: str = "quotes") -> Write:
    content = json.dumps({**item(symbol), "timestamp": {"S": timestamp}}).encode()
    return Write(Table(table, TABLES["quotes"]), (symbol, timestamp), content)


def test_a_failed_condition_is_told_from_other_refusals(aws: ScriptedAws, client: ServiceClient) -> None:
    aws.say(400, {"__type": "x#ConditionalCheckFailedException", "message": "The conditional request failed"})
    aws.say(400, {"__type": "x#ValidationException", "message": "no"})
    aws.say(200, {})
    assert not DynamoDb(client).put_new(QUOTES, b"{}")
    with pytest.raises(StoreRefusedError, match="ValidationException"):
        DynamoDb(client).update_if(QUOTES, ("A", "1"), {})
    assert DynamoDb(client).put_new(QUOTES, b"{}")
    assert aws.bodies()[0]["ConditionExpression"] == "attribute_not_exists(#p)"


def test_a_new_object_is_put_on_condition_and_one_that_is_there_is_told(
    aws: ScriptedAws, client: ServiceClient, pauses: list[float]
) -> None:
    aws.say(200, b"")
    aws.say(412, b"<Error><Code>PreconditionFailed</Code></Error>")
    aws.say(409, b"<Error><Code>ConditionalRequestConflict</Code></Error>")
    aws.say(200, b"")
    s3 = S3(client, "bucket")
    assert [s3.put_new("key", b"", "text/plain", {"x-amz-meta-v": "1"}) for _ in range(3)] == [True, False, True]
    assert {request["headers"]["if-none-match"] for request in aws.requests} == {"*"}
    assert {request["headers"]["x-amz-meta-v"] for request in aws.requests} == {"1"}
    assert len(pauses) == 1


def test_an_object_is_replaced_only_where_its_etag_still_stands(aws: ScriptedAws, client: ServiceClient) -> None:
    aws.say(200, b"", {"ETag": '"new"'})
    aws.say(412, b"<Error><Code>PreconditionFailed</Code></Error>")
    aws.say(404, b"<Error><Code>NoSuchKey</Code></Error>")
    s3 = S3(client, "bucket")
    assert [s3.put_if("key", '"old"', b"", "text/plain") for _ in range(2)] == ['"new"', None]
    assert aws.requests[0]["headers"]["if-match"] == '"old"'
    with pytest.raises(StoreRefusedError, match="404"):
        s3.put_if("key", '"old"', b"", "text/plain")


@pytest.mark.parametrize("symbol", ["^VIX", "GC=F", "M&M.NS", "BRK-B", "$X"])
def test_a_symbol_stands_in_an_object_key_as_it_is_and_is_escaped_in_the_url(
    symbol: str, aws: ScriptedAws, client: ServiceClient
) -> None:
    S3(client, "bucket").put(f"raw/symbol={symbol}/x", b"body", "text/plain")
    assert urllib.parse.unquote(aws.requests[0]["path"]) == f"/bucket/raw/symbol={symbol}/x"
    assert not set("^=&$") & set(aws.requests[0]["path"])


def test_only_a_missing_key_is_no_object_and_every_other_answer_is_refused(
    aws: ScriptedAws, client: ServiceClient
) -> None:
    refusals = ((404, b"NoSuchBucket"), (403, b"AccessDenied"), (403, b"InvalidObjectState"))
    for status, code in ((404, b"NoSuchKey"), *refusals):
        aws.say(status, b"<Error><Code>%b</Code><Message>no</Message></Error>" % code)
    s3 = S3(client, "bucket")
    assert s3.get("key") is None
    for _, code in refusals:
        with pytest.raises(StoreRefusedError, match=code.decode()):
            s3.get("key")


def test_an_object_comes_with_its_etag_and_our_metadata(aws: ScriptedAws, client: ServiceClient) -> None:
    aws.say(200, b"body", {"ETag": '"1"', "X-Amz-Meta-V": "1", "x-amz-request-id": "r"})
    assert S3(client, "bucket").get("key") == (b"body", '"1"', {"x-amz-meta-v": "1"})


def test_keys_are_listed_as_they_are(aws: ScriptedAws, client: ServiceClient) -> None:
    aws.say(
        200,
        b"<ListBucketResult><Prefix>raw/</Prefix><Contents><Key>raw/symbol=M&amp;M.NS/x</Key><Size>1</Size></Contents>"
        b"<Contents><Key>raw/symbol=^VIX/x</Key></Contents></ListBucketResult>",
    )
    assert S3(client, "bucket").list_keys("raw/", "raw/a&b") == ["raw/symbol=M&M.NS/x", "raw/symbol=^VIX/x"]
    assert aws.requests[0]["path"] == "/bucket?list-type=2&max-keys=1000&prefix=raw%2F&start-after=raw%2Fa%26b"


def test_messages_that_sns_refuses_are_told_from_those_it_took(aws: ScriptedAws, client: ServiceClient) -> None:
    aws.say(
        200,
        b"<PublishBatchResponse><PublishBatchResult><Failed><member><Id>1</Id><Code>Throttled</Code>"
        b"<SenderFault>false</SenderFault></member></Failed><Successful><member><Id>0</Id>"
        b"<MessageId>m</MessageId></member></Successful></PublishBatchResult></PublishBatchResponse>",
    )
    message = Message("subject", '{"default":"x"}', {"symbol": "^VIX"})
    assert Sns(client, "arn").publish_batch([message, message]) == [True, False]


def test_tls_is_verified_against_the_bundle_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with scripted_aws(context) as server:
        endpoint = endpoint_for("s3", "eu-west-1", {"AWS_ENDPOINT_URL": server.url})
        client = ServiceClient("s3", "eu-west-1", endpoint, CredentialSource(ENVIRON), sleep=lambda _: None)
        with closing(client):
            _tls_context.cache_clear()
            with pytest.raises(StoreUnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
                S3(client, "bucket").put("key", b"", "text/plain")
            monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
            _tls_context.cache_clear()
            S3(client, "bucket").put("key", b"", "text/plain")
    _tls_context.cache_clear()
    assert len(server.requests) == 1
