"""Who may talk to a port of ours: the one decision about `Host` and `Origin`, and its ASGI wrapper.

A port on loopback is open to every program of its user, the browser among them: a page of any origin can send requests
to it, and a page whose name is made to resolve to 127.0.0.1 ("DNS rebinding") can read the answers too. So every
request must name a host that is ours, and none may come from a page that is not.

Standard library only: the emulator's environment, where nothing of ours is installed, loads this file by its path.
"""

import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

REFUSED_STATUS: Final = 403
_LOOPBACK_NAME: Final = "localhost"
_HOST: Final = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?")
# What of a hostile header an answer repeats.
_SHOWN_MAX_LENGTH: Final = 100


@dataclass(frozen=True, slots=True)
class GuardPolicy:
    """Whom one port answers.

    Attributes:
        setting: Variable that adds to `hosts`; a refusal names it.
        hosts: Host names that requests may name, lower case, beside loopback's.
        any_address: A host may be the IP address of any machine. No page can be made to have one as its name without
            being served from there, so this is safe, and a port that listens beyond loopback needs it: load balancers
            and scrapers name the address.
        navigation: A link on another site may open this port in a window of its own. Only where a GET changes nothing.
    """

    setting: str
    hosts: frozenset[str] = frozenset()
    any_address: bool = False
    navigation: bool = False


def is_loopback(host: str) -> bool:
    """Whether an address or a name is this machine's own, which no other can reach."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == _LOOPBACK_NAME


def parse_hosts(text: str) -> frozenset[str]:
    """Parse host names separated by commas.

    Raises:
        ValueError: naming what is no host name. A port belongs to no name.
    """
    names = frozenset(part.strip().lower() for part in text.split(",") if part.strip())
    for name in sorted(names):
        if not re.fullmatch(r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?", name):
            msg = f"{name!r} is no host name"
            raise ValueError(msg)
    return names


def refusal(method: str, headers: Iterable[tuple[str, str]], policy: GuardPolicy) -> str | None:
    """Decide about one request (a WebSocket's opening is one too): None admits it, else why not, and the remedy.

    Args:
        method: Its method.
        headers: Name and value of each header, as they came.
        policy: Whom the port answers.
    """
    fields: dict[str, list[str]] = {}
    for name, value in headers:
        fields.setdefault(name.lower(), []).append(value.strip())
    hosts = fields.get("host", [])
    if len(hosts) != 1 or not _is_ours(hosts[0].lower(), policy):
        shown = ", ".join(hosts)[:_SHOWN_MAX_LENGTH]
        return f"Host {shown!r} is not one of this port's. Remedy: use 127.0.0.1, or add the name to {policy.setting}"
    own_origins = {f"{scheme}://{hosts[0].lower()}" for scheme in ("http", "https")}
    for origin in fields.get("origin", []):
        if origin.lower() not in own_origins:
            return f"a page of another origin ({origin[:_SHOWN_MAX_LENGTH]!r}) may not use this port"
    # A page's GET without CORS (an image, a script, fetch in mode no-cors) has no Origin; browsers tell by this one.
    for site in fields.get("sec-fetch-site", []):
        if site not in {"same-origin", "none"} and not (policy.navigation and _is_navigation(method, fields)):
            return f"a page of another origin (Sec-Fetch-Site: {site[:_SHOWN_MAX_LENGTH]}) may not use this port"
    if method == "OPTIONS":
        return "OPTIONS is not answered: no page of another origin may use this port"
    return None


def _is_ours(host: str, policy: GuardPolicy) -> bool:
    parts = _HOST.fullmatch(host)
    if parts is None:
        return False
    name = parts[1] or parts[2]
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return parts[1] is None and (name == _LOOPBACK_NAME or name in policy.hosts)
    return policy.any_address or address.is_loopback or name in policy.hosts


def _is_navigation(method: str, fields: dict[str, list[str]]) -> bool:
    return (
        method in {"GET", "HEAD"}
        and fields.get("sec-fetch-mode") == ["navigate"]
        and fields.get("sec-fetch-dest") == ["document"]
    )


def guarded(
    app: AsgiApp, policy: GuardPolicy, also: Callable[[Scope, dict[str, str]], str | None] | None = None
) -> AsgiApp:
    """Put the guard before an ASGI application; its answers lose every header that opens them to other origins.

    Args:
        app: The application.
        policy: Whom it answers.
        also: What it refuses beside: a request's scope and headers (the last of a name) in, the reason or None out.
    """

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await app(scope, receive, send)
            return
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        reason = refusal(scope.get("method", "GET"), headers, policy)
        if reason is None and also is not None:
            reason = also(scope, {name.lower(): value for name, value in headers})
        if reason is None:
            await app(scope, receive, _without_cors(send))
        elif scope["type"] == "websocket":
            # Before it is accepted: the server answers 403.
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
        else:
            body = f"refused: {reason}\n".encode()
            answer = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
            await send({"type": "http.response.start", "status": REFUSED_STATUS, "headers": answer})
            await send({"type": "http.response.body", "body": body})

    return guard


def _without_cors(send: Send) -> Send:
    async def send_without(message: MutableMapping[str, Any]) -> None:
        if "headers" in message:
            kept = [(n, v) for n, v in message["headers"] if not bytes(n).lower().startswith(b"access-control-")]
            message = {**message, "headers": kept}
        await send(message)

    return send_without
