"""AWS clients: one place that decides region, endpoint and credentials, and how a bucket is read."""

from stockstream.aws._bounded import read_bounded
from stockstream.aws._credentials import RenewingCredentials
from stockstream.aws._objects import list_keys, read_object
from stockstream.aws._session import AwsConfig, ca_bundle_path, find_credentials, open_client, resolve_aws

__all__ = [
    "AwsConfig",
    "RenewingCredentials",
    "ca_bundle_path",
    "find_credentials",
    "list_keys",
    "open_client",
    "read_bounded",
    "read_object",
    "resolve_aws",
]
