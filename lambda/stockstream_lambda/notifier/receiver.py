"""The receiver's URL, a secret as a whole: checked once, and one POST to it that tells nothing of it but the host."""

import hmac
import http.client
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from stockstream_lambda.errors import ConfigError, ConsumerError
from stockstream_lambda.notifier.message import Message

TIMEOUT_SECONDS: Final = 5.0
_VARIABLE: Final = "STOCKSTREAM_WEBHOOK_URL"
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
# RFC 3986: a URL is printable ASCII without blanks. A backslash is a slash to some parsers and not to others.
_CHARACTERS: Final = re.compile(r"[!-\[\]-~]+")


class WebhookError(ConsumerError):
    """The receiver could not be reached or did not take the alert; the same call may succeed later."""


def check_url(url: str) -> None:
    """Refuse what is no URL of a receiver.

    Raises:
        ConfigError: naming the variable and what is wrong, never the URL.
    """
    problem = _problem(url)
    if problem is not None:
        raise ConfigError(f"{_VARIABLE}: {problem} (its value is a secret and is not shown)")


def _problem(url: str) -> str | None:
    if not _CHARACTERS.fullmatch(url):
        return (
            "must hold no blank, line break, control character, backslash or letter beyond ASCII; percent-encode them"
        )
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "must be a URL with a host, and a port from 1 to 65535 where it names one"
    if "@" in parts.netloc:
        return "must hold no user and password before the host"
    if not host or port == 0:
        return "must be a URL with a host, and a port from 1 to 65535 where it names one"
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        return "must be an https URL (http only on loopback)"
    return None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer: followed, a POST becomes a GET without its body, at a host that nobody has named."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> None:
        """Leave it to the handler of errors."""

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """Post once and return the status, which is of success.

    Args:
        url: Checked by `check_url`.
        body: What is posted.
        headers: Beside those of HTTP itself.

    Raises:
        WebhookError: no connection, or an answer other than success; names the host.
    """
    status, failure = _try_post(url, body, headers)
    # Raised here, outside of the handlers: what they caught holds the URL and must not be this error's context.
    if failure is not None:
        raise WebhookError(f"{urllib.parse.urlsplit(url).hostname}: {failure}")
    return status


def _try_post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str | None]:
    request = urllib.request.Request(url, body, dict(headers), method="POST")  # noqa: S310 - checked by the config
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return answer.status, None
    except urllib.error.HTTPError as exc:
        status = exc.code
        exc.close()
    except (OSError, http.client.HTTPException, ValueError) as exc:
        return 0, f"the webhook cannot be reached: {type(exc).__name__}"
    if 300 <= status < 400:
        remedy = f"redirects are not followed. Remedy: {_VARIABLE} must name where it leads"
        return status, f"the webhook answered HTTP {status}: {remedy}"
    return status, f"the webhook answered HTTP {status}"


class Webhook:
    """A receiver of JSON: the alert and a line for a person, signed where there is a secret."""

    name = "webhook"

    def __init__(self, url: str, secret: str | None) -> None:
        self._url = url
        self._secret = secret

    def send(self, message: Message) -> str | None:
        """Post it once; None, or why it was not taken."""
        body = msgspec.json.encode({"text": message.text, "alert": message.alert})
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "stockstream",
            "X-Stockstream-Alert-Id": message.alert_id,
        }
        if self._secret is not None:
            headers["X-Stockstream-Signature"] = f"sha256={hmac.digest(self._secret.encode(), body, 'sha256').hex()}"
        try:
            post(self._url, body, headers)
        except WebhookError as exc:
            return str(exc)
        return None
