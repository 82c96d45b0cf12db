"""AWS clients: one place that decides region, endpoint and credentials."""

from stockstream.aws._session import AwsConfig, ca_bundle_path, load_credentials, open_client, resolve_aws

__all__ = ["AwsConfig", "ca_bundle_path", "load_credentials", "open_client", "resolve_aws"]
