"""Credentials, region and endpoints, with the standard meaning of the `AWS_*` variables."""

import os
import re
import urllib.parse
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from stockstream_lambda.errors import ConfigError
from stockstream_wire.aws.partitions import host_of
from stockstream_wire.aws.sigv4 import Credentials

# What a region looks like; anything else would become a part of a host name.
_REGION: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_STANDARD_PORTS: Final = {"https": 443, "http": 80}


class Endpoint(NamedTuple):
    """Where a service answers. `path` is what stands before every path (an emulator behind a prefix)."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _STANDARD_PORTS[self.scheme] else f"{host}:{self.port}"


class CredentialSource:
    """The function's credentials: the environment's, as Lambda sets them, else whatever botocore finds."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._botocores: Callable[[], Credentials] | None = None

    def get(self) -> Credentials:
        """Return credentials that are valid now.

        Raises:
            ConfigError: there are none.
            StoreUnavailableError: their source does not work.
        """
        environ = self._environ
        if environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY"):
            return Credentials(
                environ["AWS_ACCESS_KEY_ID"],
                environ["AWS_SECRET_ACCESS_KEY"],
                environ.get("AWS_SESSION_TOKEN") or None,
            )
        if self._botocores is None:
            with suppress(ImportError):
                from stockstream_lambda.aws import botocore_credentials  # noqa: PLC0415 - see there

                self._botocores = botocore_credentials.find_credentials()
        if self._botocores is None:
            raise ConfigError("no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give a role")
        return self._botocores()


def region_from(environ: Mapping[str, str] = os.environ) -> str:
    """Read the region from AWS_REGION or AWS_DEFAULT_REGION.

    Raises:
        ConfigError: neither is set, or it is no region.
    """
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    if not region:
        raise ConfigError("AWS_REGION is not set: set it to the region of the tables, for example us-east-1")
    if not _REGION.fullmatch(region):
        raise ConfigError(f"AWS_REGION={region!r}: must be a region, for example us-east-1")
    return region


def endpoint_for(service: str, region: str, environ: Mapping[str, str] = os.environ) -> Endpoint:
    """Find the endpoint of a service: AWS_ENDPOINT_URL_<SERVICE>, then AWS_ENDPOINT_URL, then the region's own.

    AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT choose among the region's own.

    Raises:
        ConfigError: a variable holds no http or https URL, or asks for what AWS does not have.
    """
    variants = {"fips": "AWS_USE_FIPS_ENDPOINT", "dual_stack": "AWS_USE_DUALSTACK_ENDPOINT"}
    chosen = {option: name for option, name in variants.items() if _is_on(name, environ)}
    names = (f"AWS_ENDPOINT_URL_{service.upper()}", "AWS_ENDPOINT_URL")
    name = next((name for name in names if environ.get(name)), None)
    if name is None or _is_on("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", environ):
        try:
            host = host_of(service, region, **dict.fromkeys(chosen, True))
        except ValueError as exc:
            raise ConfigError(f"AWS_USE_FIPS_ENDPOINT=true, AWS_REGION={region}: {exc}; unset the former") from exc
        return Endpoint("https", host, 443, "")
    if chosen:
        both = " and ".join(chosen.values())
        raise ConfigError(f"{name} names one endpoint and {both} asks for another of AWS's: unset one of them")
    return _parsed(name, environ[name])


def _parsed(name: str, url: str) -> Endpoint:
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urllib.parse.urlsplit("")
    if "@" in url:
        # It may hold a password, so it is not shown.
        raise ConfigError(f"{name} must hold no user and password; AWS_ACCESS_KEY_ID names who calls")
    if parts.scheme not in _STANDARD_PORTS or not host:
        raise ConfigError(f"{name}={url!r}: must be an http or https URL, for example http://127.0.0.1:4566")
    return Endpoint(parts.scheme, host, port or _STANDARD_PORTS[parts.scheme], parts.path.rstrip("/"))


def _is_on(name: str, environ: Mapping[str, str]) -> bool:
    value = environ.get(name, "").strip().lower()
    if value not in {"", "true", "false"}:
        raise ConfigError(f"{name}={environ[name]!r}: must be true or false")
    return value == "true"
