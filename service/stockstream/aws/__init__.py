"""AWS clients: one place that decides region, endpoint and credentials, and how a bucket is read."""

from stockstream.aws._objects import list_keys, read_object
from stockstream.aws._session import AwsConfig, ca_bundle_path, load_credentials, open_client, resolve_aws

__all__ = [
    "AwsConfig",
    "ca_bundle_path",
    "list_keys",
    "load_credentials",
    "open_client",
    "read_object",
    "resolve_aws",
]
