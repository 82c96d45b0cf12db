"""AWS clients: one place that decides region, endpoint and credentials."""

from stockstream.aws._session import AwsConfig, open_client, resolve_aws

__all__ = ["AwsConfig", "open_client", "resolve_aws"]
