"""aiobotocore's HTTP session, with an end to every request: aiobotocore itself knows idle timeouts only."""

from typing import Any, Final

from aiobotocore.httpsession import AIOHTTPSession
from aiohttp import ClientTimeout

# Of one attempt, name lookup to last byte, a streamed body included; where more idle time is allowed, that counts.
ATTEMPT_SECONDS: Final = 60.0


class DeadlineSession(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore has no types
    """A session whose requests end."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        idle: ClientTimeout = self._timeout  # type: ignore[has-type]
        self._timeout = ClientTimeout(
            total=max(ATTEMPT_SECONDS, idle.sock_read or 0.0),
            sock_connect=idle.sock_connect,
            sock_read=idle.sock_read,
        )
