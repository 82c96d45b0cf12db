"""Credentials, region and endpoints, with the standard meaning of the `AWS_*` variables."""

import os
import urllib.parse
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

from stockstream_lambda.errors import ConfigError
from stockstream_wire.aws.sigv4 import Credentials

# The DNS suffix of a region follows its partition (AWS General Reference, service endpoints).
_PARTITION_SUFFIXES: Final = {"cn-": "amazonaws.com.cn", "us-iso-": "c2s.ic.gov", "us-isob-": "sc2s.sgov.gov"}


class Endpoint(NamedTuple):
    """Where a service answers. `path` is what stands before every path (an emulator behind a prefix)."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        standard = {"https": 443, "http": 80}[self.scheme]
        return self.host if self.port == standard else f"{self.host}:{self.port}"


class CredentialSource:
    """The function's credentials: the environment's, as Lambda sets them, else whatever botocore finds."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._session_credentials: Any = None

    def get(self) -> Credentials:
        """Return credentials that are valid now.

        Raises:
            ConfigError: there are none.
        """
        environ = self._environ
        if environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY"):
            return Credentials(
                environ["AWS_ACCESS_KEY_ID"],
                environ["AWS_SECRET_ACCESS_KEY"],
                environ.get("AWS_SESSION_TOKEN") or None,
            )
        if self._session_credentials is None:
            # Profiles, SSO and containers are botocore's business. It is not in the deployment zip (Lambda's runtime
            # has one), and importing it costs more than all of the handler.
            with suppress(ImportError):
                import botocore.session  # noqa: PLC0415 - only where the environment holds no credentials

                self._session_credentials = botocore.session.Session().get_credentials()
        if self._session_credentials is None:
            raise ConfigError("no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give a role")
        frozen = self._session_credentials.get_frozen_credentials()  # refreshes what is about to expire
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)


def region_from(environ: Mapping[str, str] = os.environ) -> str:
    """Read the region from AWS_REGION or AWS_DEFAULT_REGION.

    Raises:
        ConfigError: neither is set.
    """
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    if not region:
        raise ConfigError("AWS_REGION is not set: set it to the region of the tables, for example us-east-1")
    return region


def endpoint_for(service: str, region: str, environ: Mapping[str, str] = os.environ) -> Endpoint:
    """Find the endpoint of a service: AWS_ENDPOINT_URL_<SERVICE>, then AWS_ENDPOINT_URL, then the region's own.

    Raises:
        ConfigError: the variable holds no http or https URL.
    """
    url = None
    if environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() != "true":
        url = environ.get(f"AWS_ENDPOINT_URL_{service.upper()}") or environ.get("AWS_ENDPOINT_URL")
    if not url:
        suffix = next((s for prefix, s in _PARTITION_SUFFIXES.items() if region.startswith(prefix)), "amazonaws.com")
        return Endpoint("https", f"{service}.{region}.{suffix}", 443, "")
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError(f"AWS_ENDPOINT_URL={url!r}: must be an http or https URL, for example http://127.0.0.1:4566")
    port = parts.port or {"https": 443, "http": 80}[parts.scheme]
    return Endpoint(parts.scheme, parts.hostname, port, parts.path.rstrip("/"))
