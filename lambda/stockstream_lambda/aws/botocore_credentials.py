"""Credentials of botocore's chain: profiles, SSO, containers. Imported where the environment holds none.

botocore is not in the deployment zip (Lambda's runtime has one), and importing it costs more than all of the handler.
"""

from collections.abc import Callable
from typing import Any, Final

import botocore.session
from botocore.exceptions import BotoCoreError, HTTPClientError
from botocore.httpsession import URLLib3Session

from stockstream_lambda.errors import StoreUnavailableError
from stockstream_wire.aws.sigv4 import Credentials

# Credentials and tokens of the ECS, Lambda and EC2 endpoints are some hundred bytes.
METADATA_MAX_BYTES: Final = 64 * 1024


def find_credentials() -> Callable[[], Credentials] | None:
    """Find a source of credentials, which renews them where they expire; None where there is none.

    Raises:
        StoreUnavailableError: there is one, and it does not work; so does what is returned.
    """
    session = botocore.session.Session()
    for provider in session.get_component("credential_provider").providers:
        for name in ("_role_fetcher", "_fetcher"):
            http = getattr(getattr(provider, name, None), "_session", None)
            if isinstance(http, URLLib3Session):
                # Its settings (time, proxies) stay; only how it reads changes.
                http.__class__ = _BoundedSession
    found = _asked(session.get_credentials)
    if found is None:
        return None

    def current() -> Credentials:
        frozen = _asked(found.get_frozen_credentials)
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    return current


def _asked(question: Callable[[], Any]) -> Any:
    try:
        return question()
    except (BotoCoreError, RuntimeError) as exc:  # RuntimeError: what came had expired already
        raise StoreUnavailableError(f"AWS credentials: {exc}") from exc


class _BoundedSession(URLLib3Session):  # type: ignore[misc] # botocore has no types
    """botocore's own reads what it is sent, to the last byte of memory."""

    def send(self, request: Any) -> Any:
        request.stream_output = True
        response = super().send(request)
        content = response.raw.read(METADATA_MAX_BYTES + 1)
        response.raw.close()
        if len(content) > METADATA_MAX_BYTES:
            raise HTTPClientError(error=f"{request.url}: the answer is longer than {METADATA_MAX_BYTES} bytes")
        response._content = content
        return response
