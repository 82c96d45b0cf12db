"""Checks the signature of a call as AWS does (SigV4), for the credentials that everything here uses."""

import hashlib
import hmac
import re

ACCESS_KEY = "test"
SECRET = "test"

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/"
    r"(?P<scope>(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request)"
    r", ?SignedHeaders=(?P<names>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


def is_wrongly_signed(head: bytes, body: memoryview | bytes) -> bool:
    """True where the call is signed with our key and the signature is not that of its head and body."""
    request, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = request.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    match = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if match is None:
        return "authorization" in headers
    if match["key"] != ACCESS_KEY:
        return False  # a secret that we do not know
    if target.startswith("http"):  # the form for proxies names the whole URL, and the signature its path alone
        target = f"/{target.split('/', 3)[3]}"
    path, _, query = target.partition("?")
    names = match["names"].split(";")
    if "host" not in names or "x-amz-date" not in names:
        return True
    signed = "".join(f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in names)
    digest = hashlib.sha256(body).hexdigest()
    canonical = f"{method}\n{path}\n{query}\n{signed}\n{match['names']}\n{digest}"
    text = "\n".join(
        (
            "AWS4-HMAC-SHA256",
            headers["x-amz-date"],
            match["scope"],
            hashlib.sha256(canonical.encode("latin-1")).hexdigest(),
        )
    )
    key = f"AWS4{SECRET}".encode()
    for part in (match["day"], match["region"], match["service"], "aws4_request", text):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex() != match["signature"]
