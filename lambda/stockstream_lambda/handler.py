"""The Lambda entry point: `stockstream_lambda.handler.handler`."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from stockstream_lambda.app import build_pipeline
from stockstream_lambda.config import Config
from stockstream_lambda.observability import configure_logging
from stockstream_lambda.pipeline import Pipeline


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Process one batch of Kinesis records; the answer names the first record that must come again."""
    return _pipeline().process(event)


@cache
def _pipeline() -> Pipeline:
    config = Config.from_environment()
    configure_logging(config.log_level)
    return build_pipeline(config)
