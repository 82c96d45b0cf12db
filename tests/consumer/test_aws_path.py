"""The consumer's own path to AWS, against botocore's signer and against a server that misbehaves."""

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
from stockstream_lambda.aws.dynamodb import DynamoDb, TransactionCanceledError, TransactionWrite, Write
from stockstream_lambda.aws.s3 import S3
from stockstream_lambda.aws.sns import Message, Sns
from stockstream_lambda.aws.transport import _tls_context
from stockstream_lambda.errors import ConditionFailedError, StoreRefusedError, StoreUnavailableError
from stockstream_wire.version import USER_AGENT
from tests.consumer.scripted_aws import ScriptedAws, scripted_aws

NOW = datetime(2026, 11, 22, 14, 30, 5, tzinfo=UTC)
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
    DynamoDb(client).batch_write([Write("quotes", b'{"symbol":{"S":"A"}}')])
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
        DynamoDb(client).batch_get("quotes", [b"{}"])


def test_a_service_that_stays_away_is_given_up_after_some_attempts(aws: ScriptedAws, client: ServiceClient) -> None:
    for _ in range(MAX_ATTEMPTS):
        aws.say(503, b"")
    with pytest.raises(StoreUnavailableError, match="BatchWriteItem"):
        DynamoDb(client).batch_write([Write("quotes", b"{}")])
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
    dynamodb.batch_write([Write("quotes", b"{}")])
    aws.say(0, b"")
    dynamodb.batch_write([Write("quotes", b"{}")])
    assert len(aws.requests) == 3
    assert pauses == []


def test_what_no_retry_cures_is_refused_at_once(aws: ScriptedAws, client: ServiceClient) -> None:
    aws.say(400, {"__type": "AccessDeniedException", "Message": "not yours"})
    with pytest.raises(StoreRefusedError, match=r"AccessDeniedException \(HTTP 400\): not yours"):
        DynamoDb(client).batch_write([Write("quotes", b"{}")])
    assert len(aws.requests) == 1


def test_unprocessed_items_are_sent_again_alone(aws: ScriptedAws, client: ServiceClient, pauses: list[float]) -> None:
    left = {"quotes": [{"PutRequest": {"Item": {"symbol": {"S": "B"}}}}]}
    aws.say(200, {"UnprocessedItems": left})
    aws.say(200, {"UnprocessedItems": {}})
    writes = [Write("quotes", b'{"symbol":{"S":"A"}}'), Write("quotes", b'{"symbol":{"S":"B"}}')]
    DynamoDb(client).batch_write([*writes, Write("candles", b'{"symbol":{"S":"C"}}')])
    first, second = aws.bodies()
    assert {table: len(items) for table, items in first["RequestItems"].items()} == {"quotes": 2, "candles": 1}
    assert second["RequestItems"] == left
    assert len(pauses) == 1


def test_items_that_stay_unprocessed_are_a_failure_and_no_silence(aws: ScriptedAws, client: ServiceClient) -> None:
    for _ in range(MAX_ATTEMPTS):
        aws.say(200, {"UnprocessedItems": {"quotes": [{"PutRequest": {"Item": {}}}]}})
    with pytest.raises(StoreUnavailableError, match="unprocessed"):
        DynamoDb(client).batch_write([Write("quotes", b"{}")])


def test_unprocessed_keys_are_asked_for_again_and_all_items_returned(aws: ScriptedAws, client: ServiceClient) -> None:
    left = {"symbols": {"Keys": [{"symbol": {"S": "B"}}], "ConsistentRead": True}}
    aws.say(200, {"Responses": {"symbols": [{"symbol": {"S": "A"}}]}, "UnprocessedKeys": left})
    aws.say(200, {"Responses": {"symbols": [{"symbol": {"S": "B"}}]}, "UnprocessedKeys": {}})
    keys = [b'{"symbol":{"S":"A"}}', b'{"symbol":{"S":"B"}}']
    found = DynamoDb(client).batch_get("symbols", keys, "symbol,timestamp")
    assert [item["symbol"]["S"] for item in found] == ["A", "B"]
    first, second = aws.bodies()
    assert first["RequestItems"]["symbols"] == {
        "ConsistentRead": True,
        "ProjectionExpression": "#symbol,#timestamp",
        "ExpressionAttributeNames": {"#symbol": "symbol", "#timestamp": "timestamp"},
        "Keys": [{"symbol": {"S": "A"}}, {"symbol": {"S": "B"}}],
    }
    assert second["RequestItems"] == left


def cancelled(*codes: str) -> dict[str, str]:
    reasons = ", ".join(codes)
    return {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": f"Transaction cancelled, please refer cancellation reasons for specific reasons [{reasons}]",
    }


def test_a_cancelled_transaction_says_whose_condition_failed(aws: ScriptedAws, client: ServiceClient) -> None:
    aws.say(400, cancelled("None", "ConditionalCheckFailed", "None"))
    writes = [TransactionWrite("symbols", b"{}", b',"ConditionExpression":"x"')] * 3
    with pytest.raises(TransactionCanceledError) as caught:
        DynamoDb(client).transact(writes)
    assert list(caught.value.failed) == [False, True, False]


def test_a_transaction_that_meets_another_is_tried_again(aws: ScriptedAws, client: ServiceClient) -> None:
    aws.say(400, cancelled("TransactionConflict", "None"))
    DynamoDb(client).transact([TransactionWrite("symbols", b"{}")] * 2)
    assert len(aws.requests) == 2


def test_a_failed_condition_of_an_update_is_told_from_other_refusals(aws: ScriptedAws, client: ServiceClient) -> None:
    aws.say(400, {"__type": "x#ConditionalCheckFailedException", "message": "The conditional request failed"})
    aws.say(400, {"__type": "x#ValidationException", "message": "no"})
    with pytest.raises(ConditionFailedError):
        DynamoDb(client).update(b"{}")
    with pytest.raises(StoreRefusedError, match="ValidationException"):
        DynamoDb(client).update(b"{}")


@pytest.mark.parametrize("symbol", ["^VIX", "GC=F", "M&M.NS", "BRK-B", "$X"])
def test_a_symbol_stands_in_an_object_key_as_it_is_and_is_escaped_in_the_url(
    symbol: str, aws: ScriptedAws, client: ServiceClient
) -> None:
    S3(client, "bucket").put(f"raw/symbol={symbol}/x", b"body", "text/plain")
    assert urllib.parse.unquote(aws.requests[0]["path"]) == f"/bucket/raw/symbol={symbol}/x"
    assert not set("^=&$") & set(aws.requests[0]["path"])


def test_a_missing_object_is_none_and_a_forbidden_one_is_refused(aws: ScriptedAws, client: ServiceClient) -> None:
    aws.say(404, b"<Error><Code>NoSuchKey</Code><Message>no</Message></Error>")
    aws.say(403, b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>")
    s3 = S3(client, "bucket")
    assert s3.get("key") is None
    with pytest.raises(StoreRefusedError, match="AccessDenied"):
        s3.get("key")


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
