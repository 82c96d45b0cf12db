import json
from decimal import Decimal

import pytest

from stockstream.sources.yahoo.errors import FailureKind, YahooCallError
from stockstream.sources.yahoo.reply import decode_json, v7_results
from tests.sources_yahoo.replies import equity, v7


@pytest.mark.parametrize(
    "content",
    [b"", b"<!doctype html><html>Sorry</html>", json.dumps(v7(equity())).encode()[:-20], b"\xff\xfe", b"[" * 9999],
)
def test_what_is_not_json_is_a_malformed_reply(content: bytes) -> None:
    with pytest.raises(YahooCallError) as caught:
        decode_json(content)

    assert caught.value.kind is FailureKind.MALFORMED


def test_numbers_keep_their_text() -> None:
    assert decode_json(b'{"a": 1.10, "b": 7}') == {"a": Decimal("1.10"), "b": 7}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"finance": {"result": None, "error": {"code": "Unauthorized"}}}, FailureKind.UNAUTHORIZED),
        ({"quoteResponse": {"result": None, "error": {"code": "internal-error"}}}, FailureKind.SERVER),
        ({"finance": {"result": None, "error": {"code": "Too Many Requests"}}}, FailureKind.RATE_LIMITED),
        ({"quoteResponse": {"result": None, "error": None}}, FailureKind.MALFORMED),
        ({}, FailureKind.MALFORMED),
        ([], FailureKind.MALFORMED),
    ],
)
def test_an_envelope_without_results_is_classified(body: object, kind: FailureKind) -> None:
    with pytest.raises(YahooCallError) as caught:
        v7_results(body)

    assert caught.value.kind is kind


def test_an_empty_answer_is_an_answer() -> None:
    assert v7_results(v7()) == []
