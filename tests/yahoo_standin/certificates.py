"""A certificate authority of our own, which signs `*.yahoo.com`."""

import ssl
from pathlib import Path

import trustme

HOSTS = ("yahoo.com", "*.yahoo.com", "*.finance.yahoo.com")


def make_authority(ca_file: Path) -> ssl.SSLContext:
    """Make an authority and a server certificate; write what clients must trust to `ca_file`.

    Returns:
        The server's TLS context, HTTP/1.1 only.
    """
    authority = trustme.CA()
    certificate = authority.issue_cert(*HOSTS)
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    certificate.configure_cert(context)
    return context


def client_environment(port: int, ca_file: Path) -> dict[str, str]:
    """The variables under which yfinance, curl and websockets take the stand-in for Yahoo."""
    proxy = f"http://127.0.0.1:{port}"
    return {
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
        "NO_PROXY": "localhost,127.0.0.1",
        "no_proxy": "localhost,127.0.0.1",
        "REQUESTS_CA_BUNDLE": str(ca_file),
        "CURL_CA_BUNDLE": str(ca_file),
        "SSL_CERT_FILE": str(ca_file),
    }
