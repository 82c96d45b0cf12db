"""The one text form of an event time."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream_wire import format_epoch_ms, format_timestamp, parse_timestamp, timestamp_to_epoch_ms

moments = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(moments)
def test_a_moment_survives_to_the_millisecond(moment: datetime) -> None:
    text = format_timestamp(moment)

    assert parse_timestamp(text) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert format_epoch_ms(timestamp_to_epoch_ms(text)) == text


@given(moments, moments)
def test_text_order_is_time_order(one: datetime, other: datetime) -> None:
    texts = format_timestamp(one), format_timestamp(other)

    assert (texts[0] < texts[1]) == (parse_timestamp(texts[0]) < parse_timestamp(texts[1]))


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T14:30:00Z",
        "2026-11-22T14:30:00.000000Z",
        "2026-11-22T14:30:00.000+00",
        "2026-11-22 14:30:00.000Z",
        "2026-W47-7T14:30:00.000Z",
        "2026-13-22T14:30:00.000Z",
        "2026-11-22T25:30:00.000Z",
        "",
    ],
)
def test_any_other_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_timestamp(text)


def test_a_naive_moment_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        format_timestamp(datetime(2026, 11, 22))  # noqa: DTZ001
