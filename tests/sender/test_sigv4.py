"""Our signature, against botocore's own signer."""

import hashlib
from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream.sender.transport import sigv4
from stockstream.sender.transport.sigv4 import Signer

_TARGET = "Kinesis_20131202.PutRecords"


def _by_botocore(
    monkeypatch: pytest.MonkeyPatch, credentials: Credentials, *, url: str, body: bytes, kind: str, moment: datetime
) -> str:
    # botocore asks the clock itself and offers no other way in.
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: moment)
    request = AWSRequest(method="POST", url=url, data=body, headers={"Content-Type": kind, "X-Amz-Target": _TARGET})
    SigV4Auth(credentials, "kinesis", "eu-west-1").add_auth(request)
    return str(request.headers["Authorization"])


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("token", [None, "session/token+with=signs"])
@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("https://kinesis.eu-west-1.amazonaws.com/", "kinesis.eu-west-1.amazonaws.com", "/"),
        ("http://127.0.0.1:4566/", "127.0.0.1:4566", "/"),
        ("https://proxy.example/kinesis/", "proxy.example", "/kinesis/"),
    ],
)
@pytest.mark.parametrize("body", [b"", b"{}", bytes(range(256)) * 40])
def test_the_signature_is_the_one_that_botocore_makes(  # noqa: PLR0917 (pytest passes them by name)
    url: str, host: str, path: str, body: bytes, token: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token)
    moment = datetime(2026, 11, 22, 14, 30, 5, tzinfo=UTC)
    expected = _by_botocore(
        monkeypatch, credentials, url=url, body=body, kind="application/x-amz-cbor-1.1", moment=moment
    )
    frozen = credentials.get_frozen_credentials()
    signer = Signer("eu-west-1", "kinesis", host, path)
    headers = signer.sign(frozen, _sha256(body), "application/x-amz-cbor-1.1", _TARGET, moment)
    assert headers["Authorization"] == expected
    assert headers.get("X-Amz-Security-Token") == token


def test_the_signing_key_follows_the_date_and_renewed_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    signer = Signer("eu-west-1", "kinesis", "h.example")
    for secret, day in [("one", 1), ("one", 2), ("two", 2), ("one", 1)]:
        credentials = Credentials("AKID", secret)
        moment = datetime(2026, 3, day, tzinfo=UTC)
        expected = _by_botocore(
            monkeypatch, credentials, url="https://h.example/", body=b"x", kind="a/b", moment=moment
        )
        signed = signer.sign(credentials.get_frozen_credentials(), _sha256(b"x"), "a/b", _TARGET, moment)
        assert signed["Authorization"] == expected


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=2000))
def test_a_changed_body_changes_the_signature(body: bytes) -> None:
    credentials = Credentials("AKID", "secret").get_frozen_credentials()
    signer = Signer("eu-west-1", "kinesis", "h.example")
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    one = signer.sign(credentials, _sha256(body), "a/b", _TARGET, moment)["Authorization"]
    other = signer.sign(credentials, _sha256(body + b"!"), "a/b", _TARGET, moment)["Authorization"]
    assert one != other


def test_the_module_signs_without_botocore() -> None:
    assert "botocore" not in vars(sigv4)
