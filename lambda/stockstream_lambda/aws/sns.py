"""SNS: PublishBatch in the query protocol."""

import re
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from stockstream_lambda.aws.client import ServiceClient

# SNS API Reference, PublishBatch: 10 messages, 256 KiB together.
PUBLISH_BATCH_MAX_MESSAGES: Final = 10

_SUCCESSFUL: Final = re.compile(rb"<Successful>(.*?)</Successful>", re.DOTALL)
_ID: Final = re.compile(rb"<Id>(\d+)</Id>")


class Message(NamedTuple):
    """One notification. `body` is the JSON object of one text per protocol; attributes are all strings."""

    subject: str
    body: str
    attributes: Mapping[str, str]


class Sns:
    """Publishes to one topic. Thread-safe."""

    def __init__(self, client: ServiceClient, topic_arn: str) -> None:
        self._client = client
        self._topic_arn = topic_arn

    def publish_batch(self, messages: Sequence[Message]) -> list[bool]:
        """Publish up to 10 messages; tells for each whether SNS took it.

        Raises:
            StoreError: the call as a whole failed.
        """
        form = {"Action": "PublishBatch", "Version": "2010-03-31", "TopicArn": self._topic_arn}
        for index, message in enumerate(messages):
            prefix = f"PublishBatchRequestEntries.member.{index + 1}"
            form[f"{prefix}.Id"] = str(index)
            form[f"{prefix}.Subject"] = message.subject
            form[f"{prefix}.Message"] = message.body
            form[f"{prefix}.MessageStructure"] = "json"
            for number, (name, value) in enumerate(message.attributes.items(), 1):
                entry = f"{prefix}.MessageAttributes.entry.{number}"
                form[f"{entry}.Name"] = name
                form[f"{entry}.Value.DataType"] = "String"
                form[f"{entry}.Value.StringValue"] = value
        headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
        body = urllib.parse.urlencode(form).encode()
        answer = self._client.call("PublishBatch", "POST", "/", headers, body)
        taken = {int(number) for part in _SUCCESSFUL.findall(answer.body) for number in _ID.findall(part)}
        return [index in taken for index in range(len(messages))]
