"""Our signature against botocore's own signer, for the requests of the service and of the function."""

import io
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream_lambda.aws.s3 import S3
from stockstream_wire.aws import sigv4
from stockstream_wire.aws.sigv4 import Credentials, Request, Signer

NOW = datetime(2026, 11, 22, 14, 30, 5, tzinfo=UTC)
safe_text = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
names = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12).map(lambda name: f"x-amz-meta-{name}")


class Case(NamedTuple):
    service: str
    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    keys: Credentials
    now: datetime = NOW

    def ours(self) -> str:
        request = Request(self.method, self.target, self.headers, sha256(self.body).hexdigest())
        return Signer("eu-west-1", self.service).sign(request, self.keys, self.now)["authorization"]

    def botocores(self) -> str:
        auth: Any = botocore.auth.S3SigV4Auth if self.service == "s3" else botocore.auth.SigV4Auth
        url = f"https://{self.headers['host']}{self.target}"
        request = botocore.awsrequest.AWSRequest(self.method, url, dict(self.headers), io.BytesIO(self.body))
        request.context["payload_signing_enabled"] = True
        timestamp = self.now.strftime("%Y%m%dT%H%M%SZ")

        class Fixed(auth):  # type: ignore[misc]
            """botocore reads the clock inside add_auth; its own steps are called with the test's moment instead."""

            def add_auth(self, request: Any) -> None:
                request.context["timestamp"] = timestamp
                self._modify_request_before_signing(request)
                canonical = self.canonical_request(request)
                signature = self.signature(self.string_to_sign(request, canonical), request)
                self._inject_signature_to_request(request, signature)

        Fixed(botocore.credentials.Credentials(*self.keys), self.service, "eu-west-1").add_auth(request)
        return str(request.headers["Authorization"])


@given(
    body=st.binary(max_size=300),
    token=st.none() | safe_text,
    secret=safe_text,
    target=safe_text,
    path=st.sampled_from(["/", "/kinesis/"]),
    service=st.sampled_from(["kinesis", "dynamodb", "sns"]),
)
def test_a_post_is_signed_as_botocore_signs_it(  # noqa: PLR0917 - hypothesis passes them by name
    body: bytes, token: str | None, secret: str, target: str, path: str, service: str
) -> None:
    headers = {"host": "127.0.0.1:4566", "x-amz-target": target, "content-type": "a/b"}
    case = Case(service, "POST", path, headers, body, Credentials("AKID", secret, token))
    assert case.ours() == case.botocores()


@given(
    body=st.binary(max_size=300),
    key=st.text(max_size=60),
    token=st.none() | safe_text,
    metadata=st.dictionaries(names, safe_text, max_size=3),
)
def test_an_s3_request_for_any_key_is_signed_as_botocore_signs_it(
    body: bytes, key: str, token: str | None, metadata: dict[str, str]
) -> None:
    try:
        key.encode()
    except UnicodeEncodeError:
        return
    path = S3(None, "bucket").path_of(key)  # type: ignore[arg-type]
    headers = {"host": "s3.eu-west-1.amazonaws.com", "if-none-match": "*", **metadata}
    case = Case("s3", "PUT", path, headers, body, Credentials("AKID", "s", token))
    assert case.ours() == case.botocores()


@pytest.mark.parametrize(
    "query", ["list-type=2&prefix=raw%2Fdt%3D2026&start-after=p4-00", "start-after=b&list-type=2", "delete", "a=&b"]
)
def test_a_query_is_signed_as_botocore_signs_it(query: str) -> None:
    case = Case("s3", "GET", f"/bucket?{query}", {"host": "s3.test"}, b"", Credentials("AKID", "secret"))
    assert case.ours() == case.botocores()


def test_the_signing_key_follows_the_date_and_renewed_credentials() -> None:
    signer = Signer("eu-west-1", "kinesis")
    for secret, day in [("one", 1), ("one", 2), ("two", 2), ("one", 1)]:
        keys, now = Credentials("AKID", secret), datetime(2026, 3, day, tzinfo=UTC)
        headers = signer.sign(Request("POST", "/", {"host": "h.test"}, sha256(b"x").hexdigest()), keys, now)
        case = Case("kinesis", "POST", "/", {"host": "h.test"}, b"x", keys, now)
        assert headers["authorization"] == case.botocores()


@given(st.binary(max_size=2000))
def test_a_changed_body_changes_the_signature(body: bytes) -> None:
    case = Case("kinesis", "POST", "/", {"host": "h.test"}, body, Credentials("AKID", "secret"))
    assert case.ours() != case._replace(body=body + b"!").ours()


def test_the_module_signs_without_botocore() -> None:
    assert "botocore" not in vars(sigv4)
