from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from stockstream.gate import Gate
from stockstream_wire import Quote, format_epoch_ms


def quote(symbol: str, epoch_ms: int, *, volume: int = 1, polled_at: str | None = None) -> Quote:
    ten = Decimal(10)
    return Quote(
        symbol=symbol, timestamp=format_epoch_ms(epoch_ms), open=ten, high=ten, low=ten, price=ten,
        previous_close=ten, volume=volume, polled_at=polled_at,
    )  # fmt: skip


def test_the_first_quote_of_a_symbol_is_accepted() -> None:
    result = Gate().admit([quote("AAPL", 1000)])
    assert [q.symbol for q in result.accepted] == ["AAPL"]
    assert (result.unchanged, result.rejected) == (0, [])


def test_a_quote_with_the_same_event_time_is_unchanged_even_where_its_volume_grew() -> None:
    gate = Gate()
    gate.admit([quote("AAPL", 1000, volume=5)])
    result = gate.admit([quote("AAPL", 1000, volume=6)])
    assert (result.accepted, result.unchanged, result.rejected) == ([], 1, [])


def test_a_duplicate_within_one_batch_is_unchanged() -> None:
    result = Gate().admit([quote("AAPL", 1000), quote("AAPL", 1000)])
    assert (len(result.accepted), result.unchanged) == (1, 1)


def test_unchanged_quotes_are_accepted_where_that_is_asked_for() -> None:
    gate = Gate(accept_unchanged=True)
    again = [quote("AAPL", 1000), quote("AAPL", 1000), quote("AAPL", 500)]
    result = gate.admit(again)
    assert (len(result.accepted), result.unchanged, len(result.rejected)) == (2, 0, 1)


def test_time_running_backwards_is_rejected_by_name_and_does_not_move_the_memory() -> None:
    gate = Gate()
    gate.admit([quote("AAPL", 5000)])
    result = gate.admit([quote("AAPL", 4000)])
    assert [(r.subject, r.reason) for r in result.rejected] == [("AAPL", "time_backwards")]
    assert "00:00:04.000Z" in result.rejected[0].detail
    assert gate.last_event_times == {"AAPL": "1970-01-01T00:00:05.000Z"}


def test_symbols_do_not_disturb_each_other() -> None:
    gate = Gate()
    gate.admit([quote("AAPL", 5000)])
    assert len(gate.admit([quote("MSFT", 1000)]).accepted) == 1


def test_an_event_time_far_after_the_poll_is_rejected_and_does_not_silence_the_symbol() -> None:
    gate = Gate()
    day_ms = 86_400_000
    wild = quote("AAPL", 40 * day_ms, polled_at=format_epoch_ms(10 * day_ms))
    good = quote("AAPL", 10 * day_ms - 1000, polled_at=format_epoch_ms(10 * day_ms))
    assert [r.reason for r in gate.admit([wild]).rejected] == ["time_in_future"]
    assert gate.admit([good]).accepted == [good]


def test_an_event_time_minutes_after_the_poll_passes_and_one_of_hours_leaves_no_symbol_deaf() -> None:
    ahead = quote("AAPL", 300_000 + 1000, polled_at=format_epoch_ms(1000))
    assert Gate().admit([ahead]).accepted == [ahead]
    gate = Gate()
    hours_ahead = quote("AAPL", 6 * 3_600_000, polled_at=format_epoch_ms(1000))
    true = [quote("AAPL", second * 1000, polled_at=format_epoch_ms(second * 1000)) for second in (1, 2, 3)]
    assert [r.reason for r in gate.admit([hours_ahead]).rejected] == ["time_in_future"]
    assert gate.admit(true).accepted == true


def test_a_stale_fact_always_passes_one_millisecond_after_the_last_accepted_quote() -> None:
    gate = Gate()
    gate.admit([quote("AAPL", 5000)])
    # Its source had a later quote refused, or an earlier one in mind.
    fact = msgspec.structs.replace(quote("AAPL", 2001), stale=True)
    accepted = gate.admit([fact]).accepted
    assert [(q.timestamp, q.stale) for q in accepted] == [("1970-01-01T00:00:05.001Z", True)]
    assert len(gate.admit([quote("AAPL", 6000)]).accepted) == 1


def test_a_gate_goes_on_where_an_earlier_run_ended() -> None:
    first = Gate()
    first.admit([quote("AAPL", 5000)])
    second = Gate(first.last_event_times)
    assert second.admit([quote("AAPL", 5000)]).unchanged == 1


def test_memory_is_bounded_and_the_symbol_accepted_longest_ago_is_forgotten() -> None:
    gate = Gate(symbols_max=2)
    gate.admit([quote("A", 1), quote("B", 1), quote("A", 2), quote("C", 1)])
    assert set(gate.last_event_times) == {"A", "C"}


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 20)), max_size=60))
def test_every_quote_is_counted_once_and_accepted_times_only_rise(moves: list[tuple[str, int]]) -> None:
    gate = Gate()
    result = gate.admit([quote(symbol, ms) for symbol, ms in moves])
    assert len(result.accepted) + result.unchanged + len(result.rejected) == len(moves)
    for symbol in "ABC":
        times = [q.timestamp for q in result.accepted if q.symbol == symbol]
        assert times == sorted(set(times))


def test_history_that_runs_backwards_is_accepted_where_that_is_asked_for() -> None:
    gate = Gate(accept_late=True)

    assert len(gate.admit([quote("AAPL", 5000), quote("AAPL", 1000), quote("AAPL", 3000)]).accepted) == 3
    assert gate.admit([quote("AAPL", 5000)]).unchanged == 1
