"""A handler written the way the published pipeline describes it: boto3, and each record on its own."""

import json
from base64 import b64decode
from decimal import Decimal
from typing import Any

import boto3


class PublishedWay:
    """One put_item, one put_object and, beyond 5%, one publish per record; clients made once, in its favour."""

    def __init__(self, endpoint_url: str, topic_arn: str) -> None:
        session = boto3.Session("test", "test", region_name="us-east-1")
        self._table = session.resource("dynamodb", endpoint_url=endpoint_url).Table("quotes")
        self._s3 = session.client("s3", endpoint_url=endpoint_url)
        self._sns = session.client("sns", endpoint_url=endpoint_url)
        self._topic_arn = topic_arn

    def handler(self, event: dict[str, Any]) -> None:
        for record in event["Records"]:
            payload = json.loads(b64decode(record["kinesis"]["data"]), parse_float=Decimal, parse_int=Decimal)
            price, previous_close = payload["price"], payload["previous_close"]
            change = price - previous_close
            change_percent = change / previous_close * 100
            anomaly = abs(change_percent) > 5
            mean = (payload["open"] + payload["high"] + payload["low"] + price) / 4
            item = {
                **{name: payload[name] for name in ("symbol", "timestamp", "open", "high", "low", "volume")},
                "price": price,
                "previous_close": previous_close,
                "change": change,
                "change_percent": change_percent,
                "moving_average": mean,
                "anomaly": "Yes" if anomaly else "No",
            }
            self._table.put_item(Item=item)
            key = f"raw/{payload['symbol']}/{payload['timestamp']}.json"
            self._s3.put_object(Bucket="stockstream-archive", Key=key, Body=json.dumps(payload, default=str))
            if anomaly:
                self._sns.publish(TopicArn=self._topic_arn, Message=f"{payload['symbol']} moved {change_percent}%")
