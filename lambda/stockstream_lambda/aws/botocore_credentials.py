"""Credentials of botocore's chain: profiles, SSO, containers. Imported where the environment holds none.

botocore is not in the deployment zip (Lambda's runtime has one), and importing it costs more than all of the handler.
"""

from typing import Any, Final

import botocore.session
from botocore.exceptions import HTTPClientError
from botocore.httpsession import URLLib3Session

# Credentials and tokens of the ECS, Lambda and EC2 endpoints are some hundred bytes.
METADATA_MAX_BYTES: Final = 64 * 1024


def find_credentials() -> Any | None:
    """Find credentials, which renew themselves; None where there are none."""
    session = botocore.session.Session()
    for provider in session.get_component("credential_provider").providers:
        for name in ("_role_fetcher", "_fetcher"):
            http = getattr(getattr(provider, name, None), "_session", None)
            if isinstance(http, URLLib3Session):
                # Its settings (time, proxies) stay; only how it reads changes.
                http.__class__ = _BoundedSession
    return session.get_credentials()


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
