"""DynamoDB's answers taken as their JSON are what botocore makes of them."""

import json

import pytest
from aiobotocore.parsers import AioResponseParserFactory
from aiobotocore.session import AioSession
from botocore.model import ServiceModel

from stockstream.aws._answers import AnswerParsers

ITEM = {
    "symbol": {"S": "AAPL"},
    "price": {"N": "98.25"},
    "late": {"BOOL": True},
    "volume": {"NULL": True},
    "candle_1m": {"L": [{"N": "1"}, {"M": {"a": {"S": "b"}}}]},
}
KEY = {"symbol": {"S": "AAPL"}, "timestamp": {"S": "2026-11-20T14:30:00.000Z"}}
ANSWERS = {
    "Query": {"Items": [ITEM], "Count": 1, "ScannedCount": 1, "LastEvaluatedKey": KEY},
    "Scan": {"Items": [], "Count": 0, "ScannedCount": 9, "LastEvaluatedKey": None},
    "BatchGetItem": {"Responses": {"quotes": [ITEM]}, "UnprocessedKeys": {"quotes": {"Keys": [KEY]}}},
}


@pytest.fixture(name="dynamodb", scope="module")
def _dynamodb() -> ServiceModel:
    return ServiceModel(AioSession().get_component("data_loader").load_service_model("dynamodb", "service-2"))


@pytest.mark.parametrize("operation", sorted(ANSWERS))
@pytest.mark.parametrize("body", [None, b"<html>a proxy's</html>", b"", b"{}"], ids=str)
async def test_an_answer_is_what_botocore_makes_of_it(
    dynamodb: ServiceModel, operation: str, body: bytes | None
) -> None:
    content = body if body is not None else json.dumps(ANSWERS[operation]).encode()
    response = {"headers": {"x-amzn-RequestId": "R1"}, "status_code": 200, "body": content, "context": {}}
    shape = dynamodb.operation_model(operation).output_shape

    ours, botocores = [
        await factory.create_parser("json").parse(response, shape)
        for factory in (AnswerParsers(), AioResponseParserFactory())
    ]

    assert ours == botocores
