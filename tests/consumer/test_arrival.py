"""The moment of a record's arrival, in every form in which events carry it."""

from typing import Any

import pytest

from stockstream_lambda.records import decode_batch, quarantine_key_of
from stockstream_wire import encode_quote
from tests.consumer.kinesis_events import event, quote

ARRIVED_MS = 1_795_000_000_250


@pytest.mark.parametrize(
    ("moment", "arrival_ms"),
    [
        (1_795_000_000.25, ARRIVED_MS),
        ("1795000000.25", ARRIVED_MS),
        ("2026-11-18T11:06:40.250Z", ARRIVED_MS),
        ("2026-11-18T12:06:40.250+01:00", ARRIVED_MS),
        ("2026-11-18T11:06:40.250", ARRIVED_MS),
        (1_795_000_000, 1_795_000_000_000),
        (None, 0),
        ("soon", 0),
        ([], 0),
        (-1, 0),
        (float("nan"), 0),
        ("inf", 0),
        (1e300, 0),
    ],
)
def test_an_arrival_is_read_in_every_form_and_stops_no_batch(moment: Any, arrival_ms: int) -> None:
    batch = event([encode_quote(quote()), b"garbage"])
    for record in batch["Records"]:
        record["kinesis"]["approximateArrivalTimestamp"] = moment
    decoded = decode_batch(batch)
    assert [user_quote.source.arrival_ms for user_quote in decoded.quotes] == [arrival_ms]
    day = "2026" if arrival_ms else "1970"
    assert quarantine_key_of(decoded.bad[0]).startswith(f"quarantine/dt={day}-")
