"""aiobotocore sessions. `AWS_*` variables keep their standard meaning; nothing here reads credentials itself."""

import os
import re
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.exceptions import ProfileNotFound
from botocore.httpsession import get_cert_path
from botocore.loaders import Loader, create_loader

from stockstream.aws._answers import AnswerParsers
from stockstream.aws._bounded import ANSWER_MAX_BYTES, bound_metadata, bounded_session
from stockstream.aws._credentials import RenewingCredentials, refuses_credentials
from stockstream.aws._http import DeadlineSession
from stockstream.errors import SettingsError
from stockstream.redaction import redact
from stockstream.request_guard import is_loopback
from stockstream_wire.aws.error_codes import with_request_id
from stockstream_wire.version import USER_AGENT

_URL: Final = re.compile(r"https?://[^\s/]+", re.IGNORECASE)
# Where endpoint and credentials are given, nothing of the user's profiles is read: they may not even exist.
_NO_PROFILE: Final = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


@dataclass(frozen=True, slots=True)
class AwsConfig:
    """Where AWS is and who we are there.

    Attributes:
        region: Region of every client.
        endpoint_url: None leaves AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_<SERVICE> to botocore.
        access_key_id: None leaves credentials to botocore's chain (environment, profile, ECS, EC2).
        secret_access_key: Goes with `access_key_id`.
    """

    region: str
    endpoint_url: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)


def resolve_aws(region: str | None) -> AwsConfig:
    """Take the region from the setting, AWS_REGION, AWS_DEFAULT_REGION or the profile, in that order.

    botocore itself reads only AWS_DEFAULT_REGION; ECS and Lambda set AWS_REGION.

    Raises:
        SettingsError: none of them names a region, there is no such profile, or an endpoint is not a URL.
    """
    _check_endpoints(os.environ)
    _check_variants(os.environ)
    try:
        found = region or os.environ.get("AWS_REGION") or AioSession().get_config_variable("region")
    except ProfileNotFound as exc:
        msg = f"AWS_PROFILE={os.environ.get('AWS_PROFILE')!r}: {exc}: must be a profile of ~/.aws/config"
        raise SettingsError(msg) from exc
    if not found:
        msg = (
            "STOCKSTREAM_REGION is not set, nor is AWS_REGION or a profile's region: must be a region such as us-east-1"
        )
        raise SettingsError(msg)
    return AwsConfig(region=str(found))


def _check_endpoints(environ: Mapping[str, str]) -> None:
    """Name a bad one: botocore finds out at the first client, deep in the start, and then raises a bare ValueError."""
    for name, value in sorted(environ.items()):
        if not name.startswith("AWS_ENDPOINT_URL") or not value:
            continue
        if not _URL.match(value):
            raise SettingsError(f"{name}={redact(value)!r}: must be a URL such as http://127.0.0.1:4566")
        if redact(value) != value:
            # botocore would sign the request for a host that is not sent, and put the password into its errors.
            raise SettingsError(
                f"{name}={redact(value)!r}: must hold no user and password; AWS_ACCESS_KEY_ID names who"
            )


def _check_variants(environ: Mapping[str, str]) -> None:
    """Botocore takes any word but "true" for no, and refuses two answers to one question at the first call."""
    variants = ("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT")
    for name in variants:
        if environ.get(name, "").strip().lower() not in {"", "true", "false"}:
            raise SettingsError(f"{name}={environ[name]!r}: must be true or false")
    asked = [name for name in variants if environ.get(name, "").strip().lower() == "true"]
    given = [name for name, value in sorted(environ.items()) if name.startswith("AWS_ENDPOINT_URL") and value]
    if asked and given and environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() != "true":
        msg = f"{given[0]} names one endpoint and {' and '.join(asked)} asks for another of AWS's: unset one of them"
        raise SettingsError(msg)


def open_client(
    aws: AwsConfig, service: str, *, answer_max_bytes: int = ANSWER_MAX_BYTES, **config: Any
) -> AbstractAsyncContextManager[Any]:
    """Open a client of `service` as an async context manager.

    Each attempt of a call has a deadline as a whole, and a call refused for its credentials is tried once more where
    their source has others by now. Every call says who we are, and every ClientError names the request.

    Args:
        aws: Region, endpoint, credentials.
        service: Service name of botocore: kinesis, dynamodb, s3, sns, sqs, lambda.
        answer_max_bytes: A longer answer fails the call; a streamed body (S3's objects) is its reader's to bound.
        config: Fields of aiobotocore's AioConfig, such as `max_pool_connections`.
    """
    session = AioSession(None if aws.access_key_id is None else _NO_PROFILE)
    if aws.access_key_id is None:
        credentials = find_credentials(aws)
        session.register_component("credential_provider", _Provider(credentials))
        session.register("needs-retry", _RetryRenewed(credentials))
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    session.register("after-call", _name_request)
    session.register_component("response_parser_factory", AnswerParsers())
    # The variables are for AWS's own endpoints: one that is given here has no variants, and no proxy where it is ours.
    given: dict[str, Any] = {}
    if aws.endpoint_url is not None:
        given = {"use_fips_endpoint": False, "use_dualstack_endpoint": False}
        if is_loopback(urlsplit(aws.endpoint_url).hostname or ""):
            given["proxies"] = {}
    client: AbstractAsyncContextManager[Any] = session.create_client(
        service,
        region_name=aws.region,
        endpoint_url=aws.endpoint_url,
        aws_access_key_id=aws.access_key_id,
        aws_secret_access_key=aws.secret_access_key,
        config=AioConfig(
            http_session_cls=bounded_session(answer_max_bytes, DeadlineSession),
            user_agent_extra=USER_AGENT,
            **given,
            **config,
        ),
    )
    return client


@lru_cache
def _loader(search_path: str | None) -> Loader:
    """One for all clients: each session of its own would read the same megabytes of models again, 0.3 s of CPU."""
    return create_loader(search_path)


def find_credentials(aws: AwsConfig) -> RenewingCredentials:
    """Credentials as botocore finds them, or those of `aws`; nothing is loaded before they are used."""

    async def find() -> Any | None:
        if aws.access_key_id is not None:
            session = AioSession(_NO_PROFILE)
            session.set_credentials(aws.access_key_id, aws.secret_access_key or "")
        else:
            session = AioSession()
            bound_metadata(session)
        return await session.get_credentials()

    return RenewingCredentials(find)


def _name_request(*, http_response: Any, parsed: dict[str, Any], **_: Any) -> None:
    """Handler of botocore's event `after-call`: an error's message, wherever it is told, holds the request's id."""
    if http_response.status_code >= 300:
        error = parsed.setdefault("Error", {})
        headers = parsed.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        error["Message"] = with_request_id(str(error.get("Message") or ""), headers)


class _Provider:
    """Where aiobotocore's session asks for its credentials."""

    def __init__(self, credentials: RenewingCredentials) -> None:
        self._credentials = credentials

    async def load_credentials(self) -> RenewingCredentials:
        return self._credentials


class _RetryRenewed:
    """Handler of botocore's event `needs-retry`: 0 (seconds to wait) tries again, None leaves it to other handlers."""

    def __init__(self, credentials: RenewingCredentials) -> None:
        self._credentials = credentials

    async def __call__(self, *, response: tuple[Any, Any] | None, attempts: int, **_: Any) -> int | None:
        if response is None or attempts > 1:
            return None
        code = str(response[1].get("Error", {}).get("Code", ""))
        if not refuses_credentials(code):
            return None
        return 0 if await self._credentials.renew() else None


def ca_bundle_path() -> str:
    """The certificates to trust: AWS_CA_BUNDLE, the profile's `ca_bundle`, or botocore's own."""
    configured = AioSession().get_config_variable("ca_bundle")
    return str(configured or get_cert_path(verify=True))
