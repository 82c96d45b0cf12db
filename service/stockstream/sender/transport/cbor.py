"""CBOR (RFC 8949), as much of it as Kinesis speaks: `application/x-amz-cbor-1.1`, the AWS SDK for Java's encoding.

Its gain is that bytes travel as bytes: no base64, so a quarter less to copy, hash and send.
"""

import struct
from typing import Any, Final

_MAX_DEPTH: Final = 16
_BREAK: Final = 0xFF
_INDEFINITE: Final = 31


class CborError(ValueError):
    """The bytes are not CBOR, or use what Kinesis never sends."""


def head(major: int, value: int) -> bytes:
    """Encode the head of an item: its major type (0-7) and its value or length."""
    if value < 24:
        return bytes((major << 5 | value,))
    if value < 0x100:
        return bytes((major << 5 | 24, value))
    if value < 0x1_0000:
        return struct.pack(">BH", major << 5 | 25, value)
    if value < 0x1_0000_0000:
        return struct.pack(">BI", major << 5 | 26, value)
    return struct.pack(">BQ", major << 5 | 27, value)


def text(value: str) -> bytes:
    """Encode a text string."""
    encoded = value.encode()
    return head(3, len(encoded)) + encoded


def encode(value: Any) -> bytes:
    """Encode None, bool, int, str, bytes, and lists and dicts of them."""
    if value is None:
        return b"\xf6"
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, str):
        return text(value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, list):
        return head(4, len(value)) + b"".join([encode(item) for item in value])
    if isinstance(value, dict):
        return head(5, len(value)) + b"".join([encode(key) + encode(item) for key, item in value.items()])
    raise CborError(f"cannot encode {type(value).__name__}")


def decode(data: bytes) -> Any:
    """Decode one item, which must be all there is. Lengths may be indefinite, as AWS's answers have them.

    Raises:
        CborError: truncated, trailing bytes, or not CBOR.
    """
    try:
        value, position = _item(data, 0, 0)
    except (IndexError, struct.error, UnicodeDecodeError) as exc:
        raise CborError(f"not CBOR: {exc}") from exc
    if position != len(data):
        raise CborError(f"{len(data) - position} bytes after the item")
    return value


def _item(data: bytes, position: int, depth: int) -> tuple[Any, int]:
    if depth > _MAX_DEPTH:
        raise CborError("nested too deep")
    initial = data[position]
    major, info = initial >> 5, initial & 0x1F
    if info == _INDEFINITE:
        return _indefinite(major, data, position + 1, depth)
    value, position = _argument(data, position + 1, info)
    if major == 0:
        return value, position
    if major == 1:
        return -1 - value, position
    if major in {2, 3}:
        end = position + value
        if end > len(data):
            raise CborError("a string ends past the data")
        chunk = data[position:end]
        return (chunk if major == 2 else chunk.decode()), end
    if major == 6:  # a tag, such as the one of times: the value is what counts here
        return _item(data, position, depth + 1)
    if major == 7:
        return _simple(info, value, data[position - (1 << max(0, info - 24)) : position]), position
    return _collection(major, value, data, position, depth)


def _collection(major: int, size: int, data: bytes, position: int, depth: int) -> tuple[Any, int]:
    items: list[Any] = []
    for _ in range(size if major == 4 else 2 * size):
        item, position = _item(data, position, depth + 1)
        items.append(item)
    return (items if major == 4 else _mapping(items)), position


def _mapping(items: list[Any]) -> dict[Any, Any]:
    if len(items) % 2:
        raise CborError("a map lacks its last value")
    try:
        return dict(zip(items[::2], items[1::2], strict=True))
    except TypeError as exc:
        raise CborError("a key that is no string and no number") from exc


def _argument(data: bytes, position: int, info: int) -> tuple[int, int]:
    if info < 24:
        return info, position
    if info > 27:
        raise CborError(f"additional information {info}")
    size = 1 << (info - 24)
    if position + size > len(data):
        raise CborError("a head ends past the data")
    return int.from_bytes(data[position : position + size], "big"), position + size


def _indefinite(major: int, data: bytes, position: int, depth: int) -> tuple[Any, int]:
    items: list[Any] = []
    while data[position] != _BREAK:
        item, position = _item(data, position, depth + 1)
        items.append(item)
    position += 1
    if major in {2, 3}:
        if not all(isinstance(item, bytes if major == 2 else str) for item in items):
            raise CborError("a string in chunks of another kind")
        return (b"" if major == 2 else "").join(items), position
    if major == 4:
        return items, position
    if major == 5:
        return _mapping(items), position
    raise CborError(f"an indefinite length on major type {major}")


def _simple(info: int, value: int, raw: bytes) -> Any:
    if info in {26, 27}:
        (number,) = struct.unpack(">f" if info == 26 else ">d", raw)
        return number
    if info == 25:
        (number,) = struct.unpack(">e", raw)
        return number
    simple = {20: False, 21: True, 22: None, 23: None}
    if value not in simple:
        raise CborError(f"simple value {value}")
    return simple[value]
