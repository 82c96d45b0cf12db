"""Who may use the page: anybody on this machine's loopback, or who knows the token; and what no page may do.

A container's port that is published on loopback alone is loopback too: `STOCKSTREAM_DASHBOARD_BEHIND_LOOPBACK` says so.

`request_guard` decides about Host and Origin. Here: the token (compared in constant time, kept after the login in a
cookie that scripts cannot read and other sites do not send), the guard of state-changing calls, and the headers.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from stockstream.errors import SettingsError
from stockstream.request_guard import GuardPolicy, is_loopback
from stockstream.settings import Settings

COOKIE: Final = "stockstream_session"
CSRF_HEADER: Final = "x-csrf-token"
SESSION_SECONDS: Final = 12 * 3600
TOKEN_VARIABLE: Final = "STOCKSTREAM_DASHBOARD_TOKEN"  # noqa: S105 - a name
_TOKEN_LENGTHS: Final = range(16, 201)
# Wrong tokens that are answered at once; then one every so many seconds.
_FREE_GUESSES: Final = 5
_SECONDS_A_GUESS: Final = 12.0
# Addresses to listen on, and nobody's name.
_EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104
_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
# What is reached without being logged in: the login, and the files that it is made of.
_OPEN_PATHS: Final = ("/static/", "/login", "/api/v1/login", "/api/v1/session")

SECURITY_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


@dataclass(slots=True)
class Access:
    """Decides about one request, beyond Host and Origin.

    Attributes:
        token: What must be known; None on loopback alone.
        policy: Whom the port answers.
        clock: Seconds, for sessions and guesses.
        csrf_token: What state-changing calls must repeat in a header: no page of another origin can read it.
    """

    token: str | None
    policy: GuardPolicy
    clock: Callable[[], float] = time.time
    csrf_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    _guesses: float = 0.0
    _guessed_at: float = 0.0

    def refusal(self, method: str, path: str, headers: Mapping[str, str], cookies: Mapping[str, str]) -> int | None:
        """None admits the request, else the status that refuses it: 401 not logged in, 403 no CSRF token."""
        if not path.startswith(_OPEN_PATHS) and not self.is_known(headers, cookies):
            return 401
        if method in _SAFE_METHODS or path == "/api/v1/login":
            return None
        is_program = headers.get("authorization", "").lower().startswith("bearer ")
        if not is_program and not hmac.compare_digest(headers.get(CSRF_HEADER, "").encode(), self.csrf_token.encode()):
            return 403
        return None

    def is_known(self, headers: Mapping[str, str], cookies: Mapping[str, str]) -> bool:
        """Tell whether the request comes from who knows the token; on loopback without one, all do."""
        if self.token is None:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._try(given.strip())
        return self._is_session(cookies.get(COOKIE, ""))

    def login(self, given: str) -> str | None:
        """The cookie's value for who knows the token; None for who does not."""
        if self.token is None or not self._try(given):
            return None
        return self._signed(f"{int(self.clock()) + SESSION_SECONDS}.{secrets.token_urlsafe(12)}")

    def seconds_to_wait(self) -> float:
        """How long the next token given is not looked at: too many were wrong."""
        passed = (self.clock() - self._guessed_at) / _SECONDS_A_GUESS
        return max(0.0, (self._guesses - passed - _FREE_GUESSES + 1) * _SECONDS_A_GUESS)

    def _try(self, given: str) -> bool:
        if self.seconds_to_wait() > 0:
            return False
        if hmac.compare_digest(_digest(given), _digest(self.token or "")):
            return True
        now = self.clock()
        self._guesses = max(0.0, self._guesses - (now - self._guessed_at) / _SECONDS_A_GUESS) + 1
        self._guessed_at = now
        return False

    def _is_session(self, value: str) -> bool:
        text, _, _ = value.rpartition(".")
        if not hmac.compare_digest(value.encode(), self._signed(text).encode()):
            return False
        return int(text.partition(".")[0]) > self.clock()

    def _signed(self, text: str) -> str:
        # By the token: whoever changes it ends every session.
        mac = hmac.new(_digest(self.token or ""), text.encode(), hashlib.sha256)
        return f"{text}.{mac.hexdigest()}"


def access_from(settings: Settings, host: str) -> Access:
    """What the settings say of who may use the page at this address.

    Raises:
        SettingsError: it would be open beyond loopback without a token, or the token is none.
    """
    token = settings.dashboard_token.get_secret_value() if settings.dashboard_token is not None else None
    if token is not None and not (len(token) in _TOKEN_LENGTHS and token.isascii() and token.isprintable()
                                  and " " not in token):  # fmt: skip
        raise SettingsError(f"{TOKEN_VARIABLE} (not shown): must be 16 to 200 printable ASCII characters, no spaces")
    on_loopback = is_loopback(host) or settings.dashboard_behind_loopback
    if token is None and not on_loopback:
        raise SettingsError(
            f"STOCKSTREAM_DASHBOARD_HOST={host!r}: beyond loopback {TOKEN_VARIABLE} must be set, 16 to 200 "
            'characters: python3 -c "import secrets; print(secrets.token_urlsafe(24))" makes one. In a container whose '
            "port is published on loopback alone STOCKSTREAM_DASHBOARD_BEHIND_LOOPBACK=true says so instead"
        )
    policy = GuardPolicy(
        "STOCKSTREAM_DASHBOARD_ALLOWED_HOSTS",
        hosts=settings.dashboard_allowed_hosts | ({host.lower()} - _EVERYWHERE),
        any_address=not on_loopback,
        navigation=True,
    )
    return Access(token, policy)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
