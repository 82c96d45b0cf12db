import asyncio
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from stockstream.local.view import LiveView, StageRow, SymbolRow, ViewState
from stockstream.local.view._format import (
    format_age,
    format_change,
    format_count,
    format_price,
    format_rate,
    format_volume,
    sparkline,
)
from stockstream.local.view._live import RateMeter
from tests.virtual_clock import VirtualClock


def test_a_sparkline_runs_from_the_lowest_to_the_highest_block() -> None:
    assert sparkline([Decimal(n) for n in range(8)], 8) == "▁▂▃▄▅▆▇█"


def test_a_sparkline_keeps_the_newest_prices_at_the_right_edge() -> None:
    assert sparkline([Decimal(9), Decimal(1), Decimal(2)], 2) == "▁█"
    assert sparkline([Decimal(1), Decimal(2)], 5) == "   ▁█"


def test_a_flat_sparkline_stays_in_the_middle() -> None:
    assert sparkline([Decimal(5)] * 3, 3) == "▄▄▄"


def test_a_taller_sparkline_has_more_levels() -> None:
    prices = [Decimal(n) for n in range(16)]
    upper, lower = sparkline(prices, 16, 2).split("\n")
    assert lower == "▁▂▃▄▅▆▇████████" + "█"
    assert upper == "        ▁▂▃▄▅▆▇█"


@given(st.lists(st.decimals("0.01", 10**6, places=2), max_size=200), st.integers(0, 120), st.booleans())
def test_a_sparkline_is_exactly_as_wide_as_asked(prices: list[Decimal], width: int, ascii_only: bool) -> None:
    assert len(sparkline(prices, width, ascii_only=ascii_only)) == width


@pytest.mark.parametrize(
    ("price", "text"),
    [
        ("646.2600", "646.26"),
        ("1234.5", "1,234.50"),
        ("1.0842", "1.0842"),
        ("1E+2", "100.00"),
        ("0.12345678", "0.1235"),
    ],
)
def test_prices_show_two_to_four_decimals(price: str, text: str) -> None:
    assert format_price(Decimal(price)) == text


def test_numbers_read_at_a_glance() -> None:
    assert [format_change(Decimal(c)) for c in ("0.5", "-0.5", "0")] == ["+0.50", "-0.50", "0.00"]
    assert [format_count(c) for c in (0, 999_999, 1_234_567, 2_000_000_000)] == ["0", "999,999", "1.23M", "2.00B"]
    assert [format_volume(v) for v in (950, 12_345, 4_560_000)] == ["950", "12.3k", "4.56M"]
    assert [format_rate(r) for r in (None, 0.0, 9.96, 1234.5)] == ["", "0.0/s", "10.0/s", "1,234/s"]
    assert [format_age(s) for s in (None, -1, 0.44, 12.3, 200, 7500)] == ["", "0.0s", "0.4s", "12s", "3m20s", "2h05m"]


def test_a_rate_is_measured_over_the_last_seconds_and_not_over_the_whole_run() -> None:
    meter = RateMeter(window_seconds=5)
    (first,) = meter.update([StageRow("source", 0)], 0.0)
    assert first.rate_per_second is None
    rising = [meter.update([StageRow("source", second * 10)], float(second))[0] for second in range(1, 11)]
    assert rising[-1].rate_per_second == pytest.approx(10)
    resting = [meter.update([StageRow("source", 100)], float(second))[0] for second in range(11, 20)]
    assert resting[-1].rate_per_second == pytest.approx(0)


def view_state(count: int) -> ViewState:
    return ViewState(
        "simulated", False, "http://127.0.0.1:1", 1.0,
        symbols=[SymbolRow("AAPL", Decimal(100 + count), Decimal(100), 5, [Decimal(1)])],
        stages=[StageRow("source", count)],
    )  # fmt: skip


async def test_the_live_view_redraws_four_times_a_second_and_leaves_the_terminal_as_it_was() -> None:
    clock = VirtualClock()
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, height=24, color_system=None, legacy_windows=False)
    reads: list[float] = []
    enough = asyncio.Event()

    def read() -> ViewState:
        reads.append(clock.seconds)
        if len(reads) == 9:
            enough.set()
        return view_state(len(reads))

    async with LiveView(read, console=console, clock=clock.clock):
        await enough.wait()

    assert reads[:9] == [1000 + 0.25 * i for i in range(9)]
    text = out.getvalue()
    assert "\x1b[?1049h" in text  # to the other screen
    assert "\x1b[?1049l" in text  # and back
    assert text.index("\x1b[?25l") < text.rindex("\x1b[?25h")  # the cursor is shown again
    assert "SIMULATED DATA - not from the market" in text
    assert "4.0/s" in text
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_error_of_the_run_passes_through_and_the_terminal_is_restored() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, height=24)
    with pytest.raises(RuntimeError, match="the run broke"):
        async with LiveView(lambda: view_state(1), console=console):
            raise RuntimeError("the run broke")
    assert "\x1b[?1049l" in out.getvalue()


async def test_a_view_that_breaks_says_so_when_it_is_left() -> None:
    def read() -> ViewState:
        raise ZeroDivisionError("of the view")

    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=24)
    view = LiveView(read, console=console)
    await view.__aenter__()
    await asyncio.sleep(0)
    with pytest.raises(ZeroDivisionError):
        await view.__aexit__(None, None, None)
