import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.schedule import LATE_TOLERANCE_FRACTION, Ticker
from tests.virtual_clock import VirtualClock


def ticker(clock: VirtualClock, interval_seconds: float = 30) -> Ticker:
    return Ticker(interval_seconds, monotonic=clock.monotonic, sleep=clock.sleep)


async def test_the_first_tick_comes_at_once_and_the_next_one_interval_after_it() -> None:
    clock = VirtualClock()
    ticks = ticker(clock)
    await ticks.wait()
    assert clock.seconds == 1000
    clock.advance(7)
    await ticks.wait()
    assert clock.seconds == 1030


async def test_ticks_do_not_drift_over_a_day_of_uneven_work() -> None:
    clock = VirtualClock()
    ticks = ticker(clock)
    for number in range(2880):
        tick = await ticks.wait()
        assert tick.number == number
        assert clock.seconds == 1000 + 30 * number
        clock.advance((number * 7) % 29)
    assert ticks.skipped_total == 0


async def test_ticks_that_the_work_ran_over_are_skipped_and_counted() -> None:
    clock = VirtualClock()
    ticks = ticker(clock)
    await ticks.wait()
    clock.advance(100)  # over the ticks at 30, 60 and 90
    tick = await ticks.wait()
    assert (tick.number, tick.skipped, clock.seconds) == (4, 3, 1120)
    assert (await ticks.wait()).skipped == 0
    assert ticks.skipped_total == 3


async def test_a_tick_that_is_hardly_late_still_runs() -> None:
    clock = VirtualClock()
    ticks = ticker(clock)
    await ticks.wait()
    clock.advance(31)
    tick = await ticks.wait()
    assert (tick.number, tick.skipped, clock.seconds) == (1, 0, 1031)
    assert tick.late_seconds == pytest.approx(1)
    await ticks.wait()
    assert clock.seconds == 1060


async def test_a_sleep_that_wakes_early_does_not_tick_early() -> None:
    clock = VirtualClock()

    async def wakes_half_way(seconds: float) -> None:
        await clock.sleep(seconds / 2 if seconds > 0.1 else seconds)

    ticks = Ticker(30, monotonic=clock.monotonic, sleep=wakes_half_way)
    await ticks.wait()
    await ticks.wait()
    assert clock.seconds == pytest.approx(1030)


@pytest.mark.parametrize("interval", [0, -1, float("nan")])
def test_an_interval_that_is_none_is_refused(interval: float) -> None:
    with pytest.raises(ValueError, match="interval_seconds"):
        ticker(VirtualClock(), interval)


@given(st.lists(st.floats(0, 200), min_size=1, max_size=40))
async def test_ticks_never_bunch_and_every_place_on_the_grid_is_run_or_counted(work_seconds: list[float]) -> None:
    clock = VirtualClock()
    ticks = ticker(clock)
    previous = None
    number = 0
    for seconds in work_seconds:
        number = (await ticks.wait()).number
        if previous is not None:
            spacing = clock.seconds - previous
            assert spacing >= 30 * (1 - LATE_TOLERANCE_FRACTION) - 1e-6
        previous = clock.seconds
        clock.advance(seconds)
    assert number + 1 == len(work_seconds) + ticks.skipped_total
