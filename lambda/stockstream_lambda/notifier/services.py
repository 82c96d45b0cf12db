"""Delivery by Apprise: ntfy, Telegram, Slack, Discord, Pushover, e-mail and a hundred more, each by a URL.

The URLs are secrets: of each only the scheme is ever told. Apprise's own log is silenced for that, and its redirects
are off, whatever a URL asks for.
"""

import logging
from collections.abc import Sequence
from typing import Any, Final

import apprise

from stockstream_lambda.errors import ConfigError
from stockstream_lambda.notifier.message import Message

VARIABLE: Final = "STOCKSTREAM_NOTIFY_URLS"
URLS_MAX: Final = 20
_ASSET: Final = apprise.AppriseAsset(app_id="Stockstream", app_desc="Stockstream", http_redirects=False)
_TYPES: Final = {"warning": apprise.NotifyType.WARNING, "critical": apprise.NotifyType.FAILURE}


class Service:
    """One receiver: `ntfy`, `tgram`, by the name of its scheme."""

    def __init__(self, name: str, plugin: Any) -> None:
        self.name = name
        self._plugin = plugin

    def send(self, message: Message) -> str | None:
        """Send one message; None, or that it was not taken."""
        kind = _TYPES.get(str(message.alert.get("severity")), apprise.NotifyType.INFO)
        try:
            is_taken = self._plugin.notify(
                body=message.text, title=message.title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT
            )
        except Exception:  # noqa: BLE001 - whatever a plugin raises may hold its URL, and means that nothing was taken
            is_taken = False
        return None if is_taken else "did not take the alert"


def services_of(urls: Sequence[str]) -> list[Service]:
    """The receivers that URLs name.

    Raises:
        ConfigError: naming the variable, and which of its URLs is none that Apprise knows; never the URL.
    """
    logging.getLogger("apprise").disabled = True
    if len(urls) > URLS_MAX:
        raise ConfigError(f"{VARIABLE}: {len(urls)} URLs: must be at most {URLS_MAX}")
    found = []
    for number, url in enumerate(urls, 1):
        scheme = url.partition("://")[0].lower()
        plugin = apprise.Apprise.instantiate(url, asset=_ASSET, suppress_exceptions=True) if "://" in url else None
        if plugin is None:
            named = f"{scheme}://…" if "://" in url and scheme.isalnum() else "a text without ://"
            raise ConfigError(
                f"{VARIABLE}: URL {number} ({named}) is none that Apprise can send to (the rest is a secret and is not "
                "shown). Remedy: https://github.com/caronc/apprise/wiki says how each service's is written"
            )
        plugin.redirects = False
        found.append(Service(scheme, plugin))
    return found
