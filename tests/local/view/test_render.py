"""What a person reads off the screen, at every size of terminal."""

import io
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, RenderableType

from stockstream.local.summary import Summary
from stockstream.local.view import (
    AlertRow,
    Notice,
    StageRow,
    StageStatus,
    SymbolRow,
    ViewState,
    render_summary,
    render_view,
)

STAGE_NAMES = ("source", "gate", "outbox", "kinesis", "consumer", "DynamoDB", "S3", "SNS")


def text_of(renderable: RenderableType, width: int, height: int | None = None) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, height=height or 25, color_system=None).print(renderable, height=height)
    return out.getvalue().splitlines()


def symbol(name: str, price: str = "105.26", previous_close: str = "100", **changes: object) -> SymbolRow:
    prices = tuple(Decimal(100 + i % 7) for i in range(120))
    row = SymbolRow(name, Decimal(price), Decimal(previous_close), 12_345_678, prices)
    return replace(row, **changes)  # type: ignore[arg-type]


def state(symbols: Sequence[SymbolRow] = (symbol("AAPL"),), **changes: object) -> ViewState:
    stages = tuple(StageRow(name, 1234, 0.4, "3 waiting", rate_per_second=10.0) for name in STAGE_NAMES)
    alerts = tuple(AlertRow("14:30:05", f"SYM{i}", "+5.26% at 105.26") for i in range(50))
    made = ViewState(
        source="yahoo",
        is_market_data=True,
        endpoint_url="http://127.0.0.1:4566",
        uptime_seconds=3723,
        page_url="http://127.0.0.1:8765/",
        look_command=".venv/bin/stockstream latest",
        symbols=symbols,
        stages=stages,
        alerts=alerts,
        alerts_total=50,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


WATCHLIST = [symbol(f"SYM{i}") for i in range(10)]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (132, 40), (160, 50), (240, 70)])
def test_everything_is_on_the_screen_from_80_by_24_up(width: int, height: int) -> None:
    lines = text_of(render_view(state(WATCHLIST), width, height), width, height)
    screen = "\n".join(lines)
    for row in WATCHLIST:
        assert row.symbol in screen
    for name in STAGE_NAMES:
        assert name in screen
    for expected in ("105.26", "+5.26", "+5.26%", "12.35M", "1,234", "10.0/s", "01:02:03", "RUNNING", "Alerts 50"):
        assert expected in screen
    assert "http://127.0.0.1:8765/" in lines[0]
    assert "q or Ctrl-C" in lines[-1]
    assert "stockstream latest" in lines[-1]
    assert "14:30:05 SYM0 +5.26% at" in screen
    assert any(block in screen for block in "▂▃▄▅▆▇")


@settings(max_examples=60, deadline=None)
@given(width=st.integers(20, 250), height=st.integers(5, 80), count=st.integers(0, 60))
def test_no_size_of_terminal_breaks_the_screen(width: int, height: int, count: int) -> None:
    lines = text_of(render_view(state([symbol(f"SYM{i}") for i in range(count)]), width, height), width, height)
    assert len(lines) == height
    assert all(cell_len(line) <= width for line in lines)
    assert " q " in lines[-1]


@pytest.mark.parametrize("width", [80, 200])
def test_data_that_is_not_the_markets_is_labelled_in_words(width: int) -> None:
    simulated = state(source="simulated", is_market_data=False, source_detail="Yahoo cannot be reached")
    lines = text_of(render_view(simulated, width, 24), width, 24)
    assert "SIMULATED DATA - not from the market - Yahoo cannot be reached" in lines[1]


@pytest.mark.parametrize(
    ("width", "said"),
    [
        (60, "- Yahoo: unreachable"),
        (80, "- Yahoo: unreachable"),
        (120, "- Yahoo: unreachable (query1.finance.yahoo.com:443: Name or service not known)"),
    ],
)
def test_why_the_market_is_simulated_is_said_in_whole_words_at_every_width(width: int, said: str) -> None:
    reason = "Yahoo: unreachable (query1.finance.yahoo.com:443: Name or service not known)"
    simulated = state(source="simulated", is_market_data=False, source_detail=reason)
    banner = text_of(render_view(simulated, width, 24), width, 24)[1]
    assert banner.rstrip().endswith(said)


def test_a_reason_that_no_width_holds_is_cut_between_words() -> None:
    simulated = state(source="simulated", is_market_data=False, source_detail="Yahoo: unauthorized: HTTP 401 for /v1/x")
    assert text_of(render_view(simulated, 60, 24), 60, 24)[1].rstrip().endswith("market - Yahoo: …")


def test_a_replay_is_labelled_as_not_live() -> None:
    lines = text_of(render_view(state(source="replay", source_detail="a.csv at 60x"), 80, 24), 80, 24)
    assert "REPLAY - recorded quotes, not live - a.csv at 60x" in lines[1]


def test_market_data_carries_no_warning() -> None:
    lines = text_of(render_view(state(), 80, 24), 80, 24)
    assert lines[0].rstrip().endswith("source: yahoo")  # and no line of its own: a failure needs the room
    assert "not from the market" not in "\n".join(lines)


def test_a_failing_source_leaves_a_watchlist_of_ten_where_it_is_at_80_by_24() -> None:
    reason = "source yahoo gives nothing since 16:44:07 (7.0s) and is asked on: Yahoo: server error: HTTP 500 for /v7"
    lines = text_of(render_view(state(WATCHLIST, notices=[Notice(reason, StageStatus.FAILED)]), 80, 24), 80, 24)
    assert [line.split()[0] for line in lines if line.startswith("SYM")] == [row.symbol for row in WATCHLIST]


def test_an_anomaly_and_a_stale_feed_are_named_in_their_rows() -> None:
    rows = [symbol("UP", is_anomaly=True), symbol("OLD", is_stale=True), symbol("DOWN", "94.74")]
    lines = text_of(render_view(state(rows), 80, 24), 80, 24)
    assert "ANOMALY" in next(line for line in lines if line.startswith("UP"))
    assert "stale" in next(line for line in lines if line.startswith("OLD"))
    down = next(line for line in lines if line.startswith("DOWN"))
    assert "-5.26 " in down
    assert "-5.26%" in down
    assert "ANOMALY" not in down


def test_a_watchlist_that_does_not_fit_shows_the_largest_movers_and_says_so() -> None:
    rows = [symbol(f"S{i:03d}", f"{100 + i / 100:.2f}") for i in range(500)]
    lines = text_of(render_view(state(rows), 80, 24), 80, 24)
    shown = [line.split()[0] for line in lines if line.startswith("S") and line[1:4].isdigit()]
    assert shown[0] == "S499"
    assert f"Top {len(shown)}/500" in lines[1]


def test_before_the_first_quote_the_screen_says_what_it_waits_for() -> None:
    screen = "\n".join(text_of(render_view(state(()), 80, 24), 80, 24))
    assert "Waiting for the first quotes" in screen


def test_an_alert_says_its_symbol_once_so_that_its_numbers_fit_a_narrow_pane() -> None:
    alert = AlertRow("14:30:23", "META", "[warning] META +7.81% at 632.47")
    screen = "\n".join(text_of(render_view(state(alerts=[alert]), 80, 24), 80, 24))
    assert "14:30:23 META +7.81% at 632.47" in screen


def test_no_alerts_is_said_in_words() -> None:
    screen = "\n".join(text_of(render_view(state(alerts=(), alerts_total=0), 80, 24), 80, 24))
    assert "none so far" in screen


def test_a_stage_that_fails_has_a_sign_of_its_own_and_not_only_a_colour() -> None:
    stages = (
        StageRow("source", 1),
        StageRow("kinesis", 1, note="breaker open", status=StageStatus.FAILED),
        StageRow("consumer", 1, status=StageStatus.WARNING),
        StageRow("SNS", 0, status=StageStatus.WAITING),
    )
    lines = text_of(render_view(state(stages=stages), 100, 24), 100, 24)
    signs = {line.split()[1]: line[0] for line in lines if line[:1] in set("●✗▲○")}
    assert signs == {"source": "●", "kinesis": "✗", "consumer": "▲", "SNS": "○"}


def test_a_small_terminal_keeps_the_prices() -> None:
    lines = text_of(render_view(state(WATCHLIST), 60, 16), 60, 16)
    assert sum("105.26" in line for line in lines) == 10


def test_a_small_terminal_keeps_the_lights_of_all_stages_in_one_line() -> None:
    stages = tuple(StageRow(name, 1) for name in STAGE_NAMES[:-1])
    late = StageRow("SNS", 1, status=StageStatus.WARNING)
    lines = text_of(render_view(state(WATCHLIST, stages=(*stages, late)), 60, 16), 60, 16)
    assert "●source ●gate ●outbox ●kinesis ●consumer ●DynamoDB ●S3 ▲SNS" in [line.rstrip() for line in lines]


def test_where_not_all_lights_fit_those_that_are_not_well_stay() -> None:
    stages = (*(StageRow(name, 1) for name in STAGE_NAMES[:-1]), StageRow("SNS", 1, status=StageStatus.FAILED))
    lines = text_of(render_view(state(WATCHLIST, stages=stages), 40, 16), 40, 16)
    assert "✗SNS" in [line.rstrip() for line in lines]


def test_what_stands_beside_the_stages_does_not_move_with_a_digit() -> None:
    def place_of_alerts(waiting: str) -> int:
        stages = tuple(StageRow(name, 1, note=waiting if name == "outbox" else "") for name in STAGE_NAMES)
        lines = text_of(render_view(state(WATCHLIST, stages=stages), 80, 24), 80, 24)
        return next(line.index("Alerts") for line in lines if "Alerts" in line)

    assert len({place_of_alerts(f"{waiting:,} waiting") for waiting in (0, 10, 999, 83_795)}) == 1


def test_an_alert_that_does_not_fit_is_cut_between_words() -> None:
    alert = AlertRow("14:30:23", "GOOGL", "+12.81% at 1,632.47")
    screen = "\n".join(text_of(render_view(state(WATCHLIST, alerts=[alert]), 80, 24), 80, 24))
    assert "14:30:23 GOOGL +12.81% at …" in screen


def test_the_line_of_prices_has_its_title_over_the_newest() -> None:
    lines = text_of(render_view(state(WATCHLIST), 80, 24), 80, 24)
    title, row = (next(line for line in lines if line.startswith(name)) for name in ("Symbol", "SYM0"))
    assert title.index("Recent") + len("Recent") == max(i for i, mark in enumerate(row) if mark in "▁▂▃▄▅▆▇█") + 1


def test_a_notice_stands_above_the_footer() -> None:
    said = Notice("port 4566 was taken, using 40123")
    lines = text_of(render_view(state(notices=[said]), 100, 24), 100, 24)
    assert "port 4566 was taken" in lines[-2]


def test_a_long_notice_takes_two_lines_and_the_most_urgent_comes_first() -> None:
    reason = " ".join(f"word{number}" for number in range(15))
    said = [Notice(f"source fails: {reason}", StageStatus.FAILED), Notice("rejected AAPL: bad_tick")]
    lines = text_of(render_view(state(notices=said), 80, 24), 80, 24)
    assert lines[-4].startswith("✗ source fails: word0")
    assert "word14" in lines[-3]
    assert "rejected AAPL: bad_tick" in lines[-2]


@pytest.mark.parametrize("width", [80, 120, 200])
def test_after_the_first_stop_the_footer_says_what_the_second_does(width: int) -> None:
    footer = text_of(render_view(state(is_stopping=True), width, 24), width, 24)[-1]
    assert "Ctrl-C  again" in footer
    assert "at once" in footer
    assert "stockstream latest" in footer


@pytest.mark.parametrize("width", [80, 100, 120])
def test_a_line_to_look_inside_that_is_too_long_takes_lines_of_its_own(width: int) -> None:
    command = f"STOCKSTREAM_LOCAL_STATE_DIR=/home/somebody/{'x' * 60} .venv/bin/stockstream latest"
    screen = "\n".join(text_of(render_view(state(look_command=command), width, 24), width, 24))
    for part in ("STOCKSTREAM_LOCAL_STATE_DIR=/home/somebody/xxx", ".venv/bin/stockstream", "latest"):
        assert part in screen


@pytest.mark.parametrize(("width", "height", "lines"), [(120, 35, 2), (200, 50, 4)])
def test_a_large_terminal_draws_taller_lines(width: int, height: int, lines: int) -> None:
    screen = text_of(render_view(state(WATCHLIST), width, height), width, height)
    first, second = (next(i for i, line in enumerate(screen) if line.startswith(name)) for name in ("SYM0", "SYM1"))
    assert second - first == lines


@pytest.mark.parametrize(("width", "height"), [(120, 35), (200, 50)])
def test_a_taller_line_falls_where_the_prices_fall(width: int, height: int) -> None:
    falling = [symbol(f"SYM{i}", prices=tuple(Decimal(100 - n) for n in range(40))) for i in range(10)]
    screen = text_of(render_view(state(falling), width, height), width, height)
    first, second = (next(i for i, line in enumerate(screen) if line.startswith(name)) for name in ("SYM0", "SYM1"))
    blocks = [[i for i, mark in enumerate(line) if mark in "▁▂▃▄▅▆▇█"] for line in screen[first:second]]
    drawn = [line for line in blocks if line]
    assert len({line[0] for line in drawn}) == 1  # all of them begin at the oldest and highest price
    assert drawn[0][-1] < drawn[-1][-1]
    if second - first > 2:
        assert not blocks[-1]  # the next row's line is not touched


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_numbers_are_never_cut(width: int) -> None:
    rows = [symbol("RELIANCE.NS", "1234567.89", "1200000.00"), symbol("AAPL")]
    stages = (StageRow("consumer", 999_999, 7320, "47,954 behind", StageStatus.WARNING, rate_per_second=12_345),)
    screen = "\n".join(text_of(render_view(state(rows, stages=stages), width, 24), width, 24))
    assert "RELIANCE.NS" in screen
    assert "1,234,567.89" in screen
    assert all(f"{part}…" not in screen for part in "0123456789.,")
    if width >= 80:
        assert "12,345/s" in screen
        assert "47,954" in screen


@pytest.mark.parametrize("width", range(100, 220, 7))
def test_a_command_to_copy_is_whole_or_not_there(width: int) -> None:
    footer = text_of(render_view(state(), width, 24), width, 24)[-1].rstrip()
    options = "--no-sign-request --region us-east-1 --endpoint-url http://127.0.0.1:4566"
    command = f"aws {options} dynamodb scan --table-name quotes"
    assert footer.endswith(command) if width >= 206 else "aws" not in footer


def test_a_terminal_without_unicode_gets_plain_signs() -> None:
    screen = "\n".join(text_of(render_view(state(WATCHLIST), 80, 24, ascii_only=True), 80, 24))
    assert set("●▁▂▃▄▅▆▇█").isdisjoint(screen)


SUMMARY = Summary(
    source="replay", is_market_data=True, polled=3125, unchanged=0, rejected=5, accepted=3120, late=0,
    sent=3120, stored=3120,
    archived=3120, lost=0, doubled=0, waiting=0, alerts=4, quarantined=0, discarded=0, elapsed_seconds=12.34,
    endpoint_url="http://127.0.0.1:4566", region="us-east-1", resources={},
)  # fmt: skip


def test_the_summary_says_that_nothing_was_lost_and_on_what_numbers() -> None:
    text = "\n".join(text_of(render_summary(SUMMARY), 100))
    assert "Nothing lost: 3,120 quotes stored and archived, each exactly once" in text
    for expected in ("12s", "252.8 quotes/s", "rejected", "alerts"):
        assert expected in text
    assert "quarantined" not in text  # a zero that says nothing
    assert "not from the market" not in text


def test_the_summary_of_a_run_that_lost_quotes_says_so_first() -> None:
    text = "\n".join(text_of(render_summary(replace(SUMMARY, stored=3100, lost=20, doubled=1)), 100))
    assert "20 lost and 1 doubled of 3,120 accepted quotes" in text
    assert "Nothing lost" not in text


def test_the_summary_of_a_run_that_broke_claims_nothing() -> None:
    text = "\n".join(text_of(render_summary(replace(SUMMARY, error="the emulator ended")), 100))
    assert "The run ended early: the emulator ended" in text
    assert "Nothing lost" not in text


def test_the_summary_of_a_simulation_says_that_it_was_one() -> None:
    text = "\n".join(text_of(render_summary(replace(SUMMARY, source="simulated", is_market_data=False)), 100))
    assert "SIMULATED DATA - not from the market" in text


def test_a_run_without_a_quote_is_not_called_a_success() -> None:
    text = "\n".join(text_of(render_summary(replace(SUMMARY, accepted=0, stored=0)), 100))
    assert "No quote was accepted" in text
