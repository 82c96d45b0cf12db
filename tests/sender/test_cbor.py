"""CBOR, against botocore's own serializer and parser and the examples of RFC 8949."""

import contextlib
from typing import Any

import pytest
from botocore.parsers import RpcV2CBORParser
from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream.sender.transport import cbor

_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=300) | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=10), inner, max_size=30),
    max_leaves=40,
)


@settings(deadline=None, max_examples=60)
@given(_values)
def test_what_is_encoded_comes_back(value: Any) -> None:
    assert cbor.decode(cbor.encode(value)) == value


# botocore leaves members that are null out of its structures.
@settings(deadline=None, max_examples=60)
@given(_values.filter(lambda value: "None" not in repr(value)))
def test_botocore_reads_what_we_write(value: Any) -> None:
    parser = RpcV2CBORParser()
    stream = parser.get_peekable_stream_from_bytes(cbor.encode(value))
    assert parser.parse_data_item(stream) == value


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        ("17", 23),
        ("1818", 24),
        ("1bffffffffffffffff", 18446744073709551615),
        ("3903e7", -1000),
        ("f90000", 0.0),
        ("fa47c35000", 100000.0),
        ("fb3ff199999999999a", 1.1),
        ("f4", False),
        ("f5", True),
        ("f6", None),
        ("f7", None),
        ("c11a514b67b0", 1363896240),
        ("4401020304", b"\x01\x02\x03\x04"),
        ("62c3bc", "ü"),
        ("5f42010243030405ff", b"\x01\x02\x03\x04\x05"),
        ("7f657374726561646d696e67ff", "streaming"),
        ("9fff", []),
        ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
        ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}),
        ("a26161016162820203", {"a": 1, "b": [2, 3]}),
    ],
)
def test_the_examples_of_the_rfc_decode(encoded: str, value: Any) -> None:
    assert cbor.decode(bytes.fromhex(encoded)) == value


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "18",
        "1b00",
        "62c3",
        "83",
        "8301",
        "a1",
        "a10",
        "5f01ff",
        "ff",
        "9f",
        "bf6161ff",
        "1c",
        "f8ff",
        "0000",
        "a18001",
    ],
)
def test_what_is_not_cbor_is_refused(encoded: str) -> None:
    with pytest.raises(cbor.CborError):
        cbor.decode(bytes.fromhex(encoded.ljust(len(encoded) + len(encoded) % 2, "0")))


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_the_named_error_and_nothing_else(data: bytes) -> None:
    with contextlib.suppress(cbor.CborError):
        cbor.decode(data)


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(cbor.CborError, match="deep"):
        cbor.decode(b"\x81" * 10_000 + b"\x00")
