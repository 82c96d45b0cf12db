"""One table of AWS's error codes, against what botocore knows of them."""

import gzip
import json
from pathlib import Path
from typing import Any, Final

import botocore
import pytest
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker

from stockstream_wire.aws.error_codes import ErrorKind, bare_code, kind_of, passes_with_time, with_request_id

BOTOCORE_DATA: Final = Path(botocore.__file__).parent / "data"
_OUR_SERVICES: Final = ("kinesis", "dynamodb", "s3")


def test_whatever_botocore_retries_passes_with_time() -> None:
    tables = json.loads((BOTOCORE_DATA / "_retry.json").read_text())
    ours = [tables["definitions"], *(tables["retry"][name]["__default__"]["policies"] for name in _OUR_SERVICES)]
    conditions = [policy["applies_when"].get("response", {}) for policies in ours for policy in policies.values()]
    codes = {condition["service_error_code"] for condition in conditions if "service_error_code" in condition}
    codes |= {*ThrottledRetryableChecker._THROTTLED_ERROR_CODES, *TransientRetryableChecker._TRANSIENT_ERROR_CODES}
    assert len(codes) > 15
    assert [code for code in sorted(codes) if not passes_with_time(code, 400)] == []


@pytest.mark.parametrize("service", ["kinesis/2013-12-02", "dynamodb/2012-08-10", "sns/2010-03-31"])
def test_whatever_a_service_model_calls_a_throttle_is_one(service: str) -> None:
    model = _model(service)
    throttles = {
        shape.get("error", {}).get("code", name)
        for name, shape in model["shapes"].items()
        if shape.get("exception") and ("hrottl" in name or "Throughput" in name)
    }
    assert throttles
    assert [code for code in sorted(throttles) if kind_of(code, 400) is not ErrorKind.THROTTLED] == []


@pytest.mark.parametrize("service", ["kinesis/2013-12-02", "sns/2010-03-31"])
def test_whatever_a_service_model_says_of_kms_is_known(service: str) -> None:
    shapes = _model(service)["shapes"]
    codes = {shape.get("error", {}).get("code", name) for name, shape in shapes.items() if name.startswith("KMS")}
    codes -= {name for name, shape in shapes.items() if not shape.get("exception")}
    assert len(codes) > 4
    assert [code for code in sorted(codes) if kind_of(code, 400) not in {ErrorKind.KMS, ErrorKind.THROTTLED}] == []


def _model(service: str) -> dict[str, Any]:
    model: dict[str, Any] = json.loads(gzip.decompress((BOTOCORE_DATA / service / "service-2.json.gz").read_bytes()))
    return model


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ConditionalRequestConflict", 409, ErrorKind.AGAIN),
        ("Http503", 503, ErrorKind.AGAIN),
        ("HTTP408", 408, ErrorKind.AGAIN),
        ("Whatever", 429, ErrorKind.THROTTLED),
        ("NoSuchKey", 404, None),
        ("PreconditionFailed", 412, None),
        ("ConditionalCheckFailedException", 400, None),
        ("AccessDenied", 403, ErrorKind.ACCESS),
        ("ExpiredTokenException", 400, ErrorKind.EXPIRED),
    ],
)
def test_an_error_asks_for_one_thing(code: str, status: int, kind: ErrorKind | None) -> None:
    assert kind_of(code, status) is kind


def test_a_code_is_read_through_its_decorations() -> None:
    assert bare_code("com.amazonaws.dynamodb.v20120810#ThrottlingException") == "ThrottlingException"
    assert bare_code("ThrottlingException:http://internal.amazon.com/coral/") == "ThrottlingException"


def test_the_ids_that_support_asks_for_stand_behind_the_message() -> None:
    assert with_request_id("slow", {"x-amzn-requestid": "R1"}) == "slow (request id R1)"
    ids = {"x-amz-request-id": "R2", "x-amz-id-2": "H/+="}
    assert with_request_id("", ids) == "(request id R2, host id H/+=)"
    assert with_request_id("slow", {}) == "slow"
