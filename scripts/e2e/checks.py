"""Looks from outside, with boto3: every row of the session is one item and one archive line, values equal."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from scripts.e2e.session import Session
from stockstream_wire.storage import RAW_PREFIX, unpack_lines


class Tables:
    """Reads what the pipeline wrote, through the emulator's endpoint."""

    def __init__(self, endpoint_url: str, region: str) -> None:
        self._clients = {
            service: boto3.client(
                service,
                endpoint_url=endpoint_url,
                region_name=region,
                aws_access_key_id="test",
                aws_secret_access_key="test",
            )
            for service in ("dynamodb", "s3", "sqs")
        }

    def count_quotes(self) -> int:
        """Count stored quotes; -1 while the emulator does not answer."""
        try:
            pages = self._clients["dynamodb"].get_paginator("scan").paginate(TableName="quotes", Select="COUNT")
            return sum(page["Count"] for page in pages)
        except (BotoCoreError, ClientError):
            return -1

    def symbols(self, *, source: str) -> set[str]:
        """Symbols of the stored quotes of a source; none while the emulator does not answer or has no table."""
        try:
            return {item["symbol"]["S"] for item in self._scan("quotes") if item["source"]["S"] == source}
        except (BotoCoreError, ClientError):
            return set()

    def differences(self, session: Session) -> list[str]:
        """Compare table and archive with the session; every difference in words."""
        found: list[str] = []
        items = {(item["symbol"]["S"], item["timestamp"]["S"]): item for item in self._scan("quotes")}
        lines = self._archive()
        for key, row in session.rows.items():
            item = items.pop(key, None)
            if item is None:
                found.append(f"{key}: not in the table")
                continue
            wrong = [name for name, value in row.items() if Decimal(item[name]["N"]) != value]
            if wrong:
                found.append(f"{key}: other values in {', '.join(wrong)}")
            if lines[key] != 1:
                found.append(f"{key}: {lines[key]} lines in the archive")
        found += [f"{key}: in the table, not in the session" for key in items]
        return found

    def failed_batches(self) -> int:
        """Count messages in the on-failure queue."""
        url = self._clients["sqs"].get_queue_url(QueueName="stockstream-failed-batches")["QueueUrl"]
        answer = self._clients["sqs"].get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def _scan(self, table: str) -> list[dict[str, Any]]:
        pages = self._clients["dynamodb"].get_paginator("scan").paginate(TableName=table)
        return [item for page in pages for item in page["Items"]]

    def _archive(self) -> Counter[tuple[str, str]]:
        s3 = self._clients["s3"]
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket="stockstream-archive", Prefix=RAW_PREFIX)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]

        def read(key: str) -> list[bytes]:
            body = s3.get_object(Bucket="stockstream-archive", Key=key)["Body"].read()
            return unpack_lines(body)

        lines: Counter[tuple[str, str]] = Counter()
        with ThreadPoolExecutor(8) as pool:
            for content in pool.map(read, keys):
                for line in content:
                    quote = json.loads(line)
                    lines[quote["symbol"], quote["timestamp"]] += 1
        return lines
