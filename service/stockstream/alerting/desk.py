"""All that is done about alerts by hand, with the clients that it takes: rules, and a test."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from stockstream.alerting.drill import send_test_alert
from stockstream.alerting.rules import RulesFile
from stockstream.aws import AwsConfig, open_client
from stockstream.settings import Settings
from stockstream_wire.storage import ALERT_RULES_KEY


@dataclass(frozen=True, slots=True)
class AlertDesk:
    """The alerts of a deployment, as a person handles them.

    Attributes:
        rules: The file of rules.
        sns: An aiobotocore client, closed by `open_desk`.
        topic_arn: Where alerts go; None where nobody has said.
    """

    rules: RulesFile
    sns: Any
    topic_arn: str | None

    async def send_test(self) -> str:
        """Send a test alert; returns its id, and raises as `send_test_alert` does."""
        return await send_test_alert(self.sns, self.topic_arn)


@asynccontextmanager
async def open_desk(aws: AwsConfig, settings: Settings) -> AsyncIterator[AlertDesk]:
    """Open the alerts of what the settings name."""
    key = os.environ.get("STOCKSTREAM_ALERT_RULES_KEY") or ALERT_RULES_KEY
    async with AsyncExitStack() as stack:
        s3, sns = [await stack.enter_async_context(open_client(aws, service)) for service in ("s3", "sns")]
        yield AlertDesk(RulesFile(s3, settings.archive_bucket, key), sns, settings.alerts_topic_arn)
