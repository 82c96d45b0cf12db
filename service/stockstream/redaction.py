"""What no log line and no error may carry: the secrets that live in URLs."""

import re
from typing import Final

# `user:password@` of an endpoint or a proxy, up to the last @ before the path, as URL parsers read it.
_USERINFO: Final = re.compile(r"(?<=://)[^/?#\s'\"]*@")
# Query values that are credentials: Yahoo's crumb, and what AWS puts into presigned URLs.
_QUERY_SECRET: Final = re.compile(
    r"(?<=[?&])(crumb|X-Amz-Signature|X-Amz-Credential|X-Amz-Security-Token)=[^&\s'\"]*", re.IGNORECASE
)


def redact(text: str) -> str:
    """The text with the secrets of its URLs replaced by `***`."""
    if "://" in text:
        text = _USERINFO.sub("***@", text)
    return _QUERY_SECRET.sub(r"\1=***", text) if "=" in text else text
