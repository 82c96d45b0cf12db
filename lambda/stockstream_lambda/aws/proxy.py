"""The proxy that HTTPS_PROXY and NO_PROXY name for an endpoint, with the meaning that botocore gives them."""

import base64
import http.client
import os
import socket
import urllib.parse
from collections.abc import Mapping
from typing import Final, NamedTuple

from stockstream_lambda.aws.credentials import Endpoint
from stockstream_lambda.errors import ConfigError

_VARIABLES: Final = {"https": ("https_proxy", "HTTPS_PROXY"), "http": ("http_proxy", "HTTP_PROXY")}


class Proxy(NamedTuple):
    """Where a tunnel to an endpoint begins; `headers` may hold a password."""

    host: str
    port: int
    headers: Mapping[str, str]

    def connect(self, host: str, port: int, timeout_seconds: float) -> socket.socket:
        """Open a tunnel to the host.

        Raises:
            OSError, http.client.HTTPException: there is no proxy, or it refuses.
        """
        tunnel = http.client.HTTPConnection(self.host, self.port, timeout=timeout_seconds)
        tunnel.set_tunnel(host, port, dict(self.headers))
        try:
            tunnel.connect()
        except BaseException:
            tunnel.close()
            raise
        connection: socket.socket = tunnel.sock
        return connection


def proxy_for(endpoint: Endpoint, environ: Mapping[str, str] = os.environ) -> Proxy | None:
    """Find the proxy of an endpoint; None where it is reached directly.

    Raises:
        ConfigError: the proxy is none that we can go through.
    """
    name = next((name for name in _VARIABLES[endpoint.scheme] if environ.get(name)), None)
    if name is None or _is_excepted(endpoint.host_header, environ):
        return None
    text = environ[name]
    url = urllib.parse.urlsplit(text if "://" in text else f"http://{text}")
    if endpoint.scheme == "http":
        # Such endpoints are emulators. A proxy of the machine's that is not meant for them is the usual case.
        remedy = f"add {endpoint.host} to NO_PROXY"
        raise ConfigError(f"{name} is set, and a plain http endpoint is only reached directly: {remedy}")
    try:
        host, port = url.hostname, url.port or 80
    except ValueError:
        host, port = None, 0
    if url.scheme != "http" or not host:
        # The value itself may hold a password.
        raise ConfigError(f"{name} must be the URL of a proxy that speaks plain HTTP, as http://proxy.example:3128")
    headers = {}
    if url.username is not None:
        secret = f"{urllib.parse.unquote(url.username)}:{urllib.parse.unquote(url.password or '')}"
        headers["Proxy-Authorization"] = f"Basic {base64.b64encode(secret.encode()).decode()}"
    return Proxy(host, port, headers)


def _is_excepted(host: str, environ: Mapping[str, str]) -> bool:
    no_proxy = environ.get("no_proxy") or environ.get("NO_PROXY")
    if not no_proxy:
        return False
    # It takes longer to import than the rest of us, and most functions have no proxy.
    import urllib.request  # noqa: PLC0415

    return bool(urllib.request.proxy_bypass_environment(host, {"no": no_proxy}))  # type: ignore[attr-defined]
