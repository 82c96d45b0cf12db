"""The stored contract: every key that is built is read back, and no two things share a name."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.sender.grid import lane_of_key
from stockstream_wire import storage

REVISIONS = st.integers(min_value=1, max_value=10**13)
DAYS = st.dates().map(lambda day: day.isoformat())
SYMBOLS = st.from_regex(r"[A-Z0-9^][A-Z0-9.=\-^]{0,14}", fullmatch=True)
PARTITIONS = st.integers(min_value=0, max_value=10).flatmap(
    lambda power: st.builds(storage.Partition, st.integers(min_value=0, max_value=2**power - 1), st.just(2**power))
)


@given(PARTITIONS, DAYS | st.just(storage.FIRST_FOLDER), REVISIONS)
def test_the_key_of_a_log_object_is_read_back(partition: storage.Partition, folder: str, revision: int) -> None:
    key = storage.log_key(partition, folder, revision)
    assert storage.parse_log_key(key) == (partition, folder, revision)
    assert storage.parse_tidied_key(key) is None
    assert key.startswith(storage.log_prefix(partition, folder))


@given(PARTITIONS, DAYS, SYMBOLS, REVISIONS, st.integers(min_value=0, max_value=120))
def test_the_key_of_a_tidied_object_is_read_back(
    partition: storage.Partition, day: str, symbol: str, first: int, run: int
) -> None:
    key = storage.tidied_key(partition, day, symbol, first, run)
    assert storage.parse_tidied_key(key) == (day, symbol, partition, first, run)
    assert storage.parse_log_key(key) is None
    assert key.startswith(storage.day_prefix(day))


def test_keys_are_those_that_the_design_names() -> None:
    partition = storage.Partition(3, 4)
    assert storage.log_key(partition, "2026-11-20", 12345) == "raw/dt=2026-11-20/p4-03-000000012345.json.gz"
    assert storage.log_key(partition, storage.FIRST_FOLDER, 1) == "raw/dt=first/p4-03-000000000001.json.gz"
    assert (
        storage.tidied_key(partition, "2026-11-20", "AAPL", 12345, 0)
        == "raw/dt=2026-11-20/symbol=AAPL/p4-03-000000012345-00.json.gz"
    )
    assert storage.checkpoint_key(partition) == "state/p4-03"
    assert storage.marker_key(partition, 12345) == "tidy/p4-03-000000012345.json"
    assert storage.tidy_note_key(partition) == "tidy/p4-03.json"
    assert storage.LAYOUT_KEY == "state/layout.json"
    assert storage.encode_layout(4) == b'{"v":1,"partitions":4}'


@given(SYMBOLS, st.integers(min_value=0, max_value=10))
def test_a_symbols_partition_is_its_lane_of_the_sender(symbol: str, power: int) -> None:
    assert storage.partition_of(symbol, 2**power).number == lane_of_key(symbol, 2**power)


def test_a_partition_is_the_top_of_the_symbols_md5() -> None:
    top = hashlib.md5(b"AAPL", usedforsecurity=False).digest()[0]
    assert storage.partition_of("AAPL", 256).number == top
    assert storage.partition_of("AAPL", 4) == (top >> 6, 4)


@pytest.mark.parametrize("count", [1, 2, 4, 1024])
def test_a_power_of_two_is_a_number_of_partitions(count: int) -> None:
    assert storage.is_partition_count(count)


@pytest.mark.parametrize("count", [-4, 0, 3, 12, 2048])
def test_any_other_number_is_none(count: int) -> None:
    assert not storage.is_partition_count(count)


@given(st.lists(st.binary(min_size=1).map(lambda data: data.replace(b"\n", b" ").replace(b"\r", b" "))))
def test_packed_lines_come_back(quotes: list[bytes]) -> None:
    assert storage.unpack_lines(storage.pack_lines(quotes)) == quotes


def test_a_line_break_between_the_fields_of_a_quote_does_not_cut_its_line() -> None:
    assert storage.unpack_lines(storage.pack_lines([b'{\r\n"v":1}', b"{}"])) == [b'{  "v":1}', b"{}"]


def test_the_same_quotes_make_the_same_bytes() -> None:
    assert storage.pack_lines([b"{}", b"{}"]) == storage.pack_lines([b"{}", b"{}"])


def test_layout_and_marker_are_read_back_and_a_later_layout_is_refused() -> None:
    assert storage.decode_layout(storage.encode_layout(16)) == 16
    marker = storage.TidyMarker(3, 90, "2026-11-20", "2026-11-23")
    assert storage.decode_marker(storage.encode_marker(marker)) == marker
    with pytest.raises(ValueError, match="format 2"):
        storage.decode_layout(b'{"v":2,"partitions":4}')


def test_a_quarantined_record_is_read_back_with_its_bytes() -> None:
    body = storage.encode_quarantined(
        b"\xff\x00{",
        reason="bad_json",
        error_class="QuoteDecodeError",
        detail="x" * 9000,
        partition_key=None,
        shard_id="shardId-000000000000",
        sequence_number="49",
        subsequence_number=2,
        aggregated=True,
        approximate_arrival_ms=1,
    )
    found = storage.decode_quarantined(body)
    assert found.data == b"\xff\x00{"
    assert (found.reason, found.data_bytes, len(found.detail)) == ("bad_json", 3, 2000)
    with pytest.raises(ValueError, match="missing required field"):
        storage.decode_quarantined(b"{}")


def test_an_item_expires_so_many_days_after_the_minute_of_its_event() -> None:
    assert storage.expires_at_seconds("1970-01-01T00:01:59.999Z", 1) == 60 + 86_400
    assert storage.expires_at_seconds("1970-01-01T00:01:59.999Z", 0) is None


@pytest.mark.parametrize(
    ("interval", "start"),
    [
        ("1m", "2026-11-20T14:38:00.000Z"),
        ("5m", "2026-11-20T14:35:00.000Z"),
        ("1h", "2026-11-20T14:00:00.000Z"),
        ("1d", "2026-11-19T00:00:00.000Z"),
    ],
)
def test_a_window_begins_where_its_interval_says(interval: str, start: str) -> None:
    assert storage.window_start("2026-11-20T14:38:59.999Z", interval, "2026-11-19") == start


def test_a_minute_is_named_by_its_hours_minute_within_the_block() -> None:
    assert storage.minute_start("2026-11-20T14:35:00.000Z", 38) == "2026-11-20T14:38:00.000Z"


def test_every_exported_name_exists() -> None:
    assert all(hasattr(storage, name) for name in storage.__all__)
