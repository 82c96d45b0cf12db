"""Credentials of botocore's chain: loaded within a deadline, and asked for anew where AWS has refused them.

botocore renews credentials by the expiry that came with them and by nothing else: those that are revoked, or that a
clock of this machine takes for valid, it would use until then.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, CredentialRetrievalError, NoCredentialsError

from stockstream_wire.aws.error_codes import ErrorKind, kind_of

# The metadata endpoints lie on this machine, and botocore tries three times: a trickle or a hung name is cut off.
LOAD_SECONDS: Final = 10.0
# Between two renewals that a refusal asks for; doubled while one refusal follows the other.
RENEWAL_PAUSE_MIN_SECONDS: Final = 5.0
RENEWAL_PAUSE_MAX_SECONDS: Final = 60.0
# After this long without a refusal the next one is a new story.
_CALM_SECONDS: Final = 600.0

_log = structlog.get_logger("stockstream.aws")


def refuses_credentials(code: str) -> bool:
    """Whether an error is AWS's answer to credentials that others might replace."""
    return kind_of(code, 0) in {ErrorKind.CREDENTIALS, ErrorKind.EXPIRED}


class RenewingCredentials:
    """Stands where aiobotocore expects a session's credentials; loads nothing before it is asked.

    Args:
        find: Walks botocore's chain afresh; None where there are no credentials.
        monotonic: Clock of the pauses.
    """

    def __init__(
        self, find: Callable[[], Awaitable[Any | None]], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._find = find
        self._monotonic = monotonic
        self._found: Any | None = None
        self._given: ReadOnlyCredentials | None = None
        self._lock = asyncio.Lock()
        self._renewed_at = float("-inf")
        self._pause_seconds = 0.0
        self._brought_others = False

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Credentials to sign the next call with.

        Raises:
            BotoCoreError: there are none, or their source does not work.
            TimeoutError: their source hangs.
        """
        async with self._lock:
            return await self._current()

    async def get_account_id(self) -> str | None:
        """Of the account, where the source knows it; botocore puts it into some endpoints."""
        account_id: str | None = (await self.get_frozen_credentials()).account_id
        return account_id

    def get_deferred_property(self, name: str) -> Any:
        """What botocore's endpoint rules call for a value (`account_id`, and no other) when they need it."""
        return getattr(self, f"get_{name}")

    async def renew(self, refused: ReadOnlyCredentials | None = None) -> bool:
        """AWS has refused: ask the source again, past every cache, unless that was done a moment ago.

        Args:
            refused: Those that the refused call was signed with, where that is known.

        Returns:
            Whether there are others now, so that the call is worth another try at once.
        """
        async with self._lock:
            if refused is not None and self._given is not None and self._given != refused:
                return True  # another call has seen to it
            now = self._monotonic()
            since_seconds = now - self._renewed_at
            if since_seconds < self._pause_seconds:
                return refused is None and self._brought_others
            calm = since_seconds > _CALM_SECONDS
            doubled = min(RENEWAL_PAUSE_MAX_SECONDS, 2 * self._pause_seconds)
            self._pause_seconds = RENEWAL_PAUSE_MIN_SECONDS if calm else doubled
            self._renewed_at = now
            before, self._found = self._given, None
            try:
                self._brought_others = await self._current() != before
            except (BotoCoreError, TimeoutError) as exc:
                self._brought_others = False
                _log.warning("credentials_not_renewed", error=str(exc))
            else:
                _log.info("credentials_renewed", others=self._brought_others)
            return self._brought_others

    async def _current(self) -> ReadOnlyCredentials:
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                if self._found is None:
                    self._found = await self._find()
                if self._found is None:
                    raise NoCredentialsError  # noqa: TRY301 (its sort passes through below)
                self._given = await self._found.get_frozen_credentials()
        except TimeoutError as exc:
            raise TimeoutError(f"the source of credentials gave none within {LOAD_SECONDS:g} s") from exc
        except BotoCoreError:
            raise
        except Exception as exc:
            # botocore lets through what it meets in a document that is none (KeyError), and says by RuntimeError
            # that what came is expired already.
            source = str(getattr(self._found, "method", None) or "metadata endpoint")
            raise CredentialRetrievalError(provider=source, error_msg=f"{type(exc).__name__}: {exc}") from exc
        return self._given
