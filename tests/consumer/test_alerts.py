"""When alerts fire, what they say, and by which rules."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream_lambda.alerts.alert import Alert
from stockstream_lambda.alerts.kinds import GAP, KINDS, MOVE
from stockstream_lambda.alerts.messages import SMS_MAX_LENGTH, SUBJECT_MAX_LENGTH, build_message
from stockstream_lambda.alerts.provider import RulesProvider
from stockstream_lambda.alerts.rules import SymbolRules, bundled_rules, parse_rules
from stockstream_lambda.errors import ConfigError, StoreRefusedError, StoreUnavailableError
from stockstream_wire import Quote, format_epoch_ms
from stockstream_wire.storage import RULES_READ_SECONDS as REFRESH_SECONDS
from tests.consumer.conftest import MARKET_DATA, World
from tests.consumer.folding import THRESHOLD, Folder
from tests.consumer.kinesis_events import quote, quote_event, read_session

OPEN_MS = 1_795_185_000_000


def ticks(prices: list[str], *, step_seconds: int = 60, start: int = 0, **fields: Any) -> list[Quote]:
    shape = {"open": "100", "high": "1000", "low": "10", "previous_close": "100", **fields}
    return [
        quote(price=price, timestamp=format_epoch_ms(OPEN_MS + (start + n * step_seconds) * 1000), **shape)
        for n, price in enumerate(prices)
    ]


def moves(folder: Folder) -> list[tuple[str, str]]:
    return [(direction, severity) for kind, direction, severity in folder.alerts() if kind == "move"]


def rules(**kinds: dict[str, Any]) -> SymbolRules:
    return parse_rules(json.dumps({"defaults": kinds}).encode(), THRESHOLD, "test").of("AAPL")


def test_a_move_fires_on_the_edge_and_not_again_while_it_lasts() -> None:
    assert moves(Folder().add(ticks(["104", "105", "105.01", "106", "105.5"]))) == [("up", "info")]


def test_a_move_that_hovers_at_the_threshold_does_not_flap() -> None:
    hovering = ["105.1", "104.9"] * 20
    assert moves(Folder().add(ticks(hovering, step_seconds=600))) == [("up", "info")]


def test_after_it_has_calmed_down_a_move_fires_again_once_the_cooldown_is_over() -> None:
    assert moves(Folder().add(ticks(["106", "103.9", "106"], step_seconds=60))) == [("up", "info")]
    assert moves(Folder().add(ticks(["106", "103.9", "106"], step_seconds=600))) == [("up", "info"), ("up", "info")]


def test_a_growing_move_is_news_at_twice_and_three_times_the_threshold_without_waiting() -> None:
    folder = Folder().add(ticks(["106", "109", "111", "114", "116", "120"], step_seconds=1))
    assert moves(folder) == [("up", "info"), ("up", "warning"), ("up", "critical")]


def test_backfilled_history_alerts_nobody_and_the_live_feed_after_it_goes_on_from_there() -> None:
    folder = Folder().add(ticks(["104", "106"], source="backfill")).add(ticks(["106.5"], start=600))
    assert moves(folder) == []
    assert moves(folder.add(ticks(["111"], start=1200))) == [("up", "warning")]


def test_a_new_session_is_a_new_edge() -> None:
    night = 3 * 86_400
    folder = Folder().add([*ticks(["94", "93"]), *ticks(["94", "93"], start=night)])
    assert moves(folder) == [("down", "info"), ("down", "info")]


def test_the_threshold_itself_is_no_anomaly_as_published() -> None:
    folder = Folder().add(ticks(["105"]))
    assert folder.items()[0]["anomaly"] == "No"
    assert folder.alerts() == []


def test_the_opening_gap_fires_once_a_session() -> None:
    folder = Folder().add(ticks(["103", "103.2"], open="103.5"))
    assert [(a.kind, round(a.value, 6)) for e in folder.effects for a in e.alerts] == [("gap", 3.5)]


def test_a_jump_out_of_a_quiet_session_is_a_spike_with_its_score() -> None:
    calm = [f"{100 + 0.02 * (n % 3):.2f}" for n in range(60)]
    folder = Folder().add(ticks([*calm, "101.50", "101.52", "100.02"]))
    (alert,) = [a for e in folder.effects for a in e.alerts]
    assert (alert.kind, alert.direction, alert.severity) == ("spike", "up", "critical")
    assert alert.value > 10
    assert alert.price == "101.50"


def test_stale_fires_once_and_again_after_a_tick_and_the_cooldown() -> None:
    def stale(second: int) -> list[Quote]:
        return ticks(["100"], start=second, stale=True)

    folder = Folder()
    folder.add([*ticks(["100"]), *stale(10), *stale(20), *ticks(["100"], start=30), *stale(40)])
    assert [kind for kind, _, _ in folder.alerts()] == ["stale"]
    folder.add([*ticks(["100"], start=2000), *stale(2010)])
    assert [kind for kind, _, _ in folder.alerts()] == ["stale", "stale"]


def test_rules_of_a_symbol_override_single_values_of_the_defaults() -> None:
    content = {
        "v": 1,
        "defaults": {"move": {"threshold_percent": 2, "cooldown_seconds": 60}, "gap": {"enabled": False}},
        "symbols": {"^VIX": {"move": {"threshold_percent": 20}}},
    }
    parsed = parse_rules(json.dumps(content).encode(), THRESHOLD, "test")
    assert parsed.of("^VIX")[MOVE].threshold_percent == 20
    assert parsed.of("^VIX")[MOVE].cooldown_seconds == 60
    assert parsed.of("^VIX")[GAP].enabled is False
    assert parsed.of("AAPL")[MOVE].threshold_percent == 2
    assert bundled_rules(Decimal("7.5")).of("AAPL")[MOVE].threshold_percent == 7.5


def test_a_rule_of_ones_own_moves_the_alert_and_not_the_published_field() -> None:
    folder = Folder(rules(move={"threshold_percent": 1})).add(ticks(["102"]))
    assert moves(folder) == [("up", "warning")]
    assert folder.items()[0]["anomaly"] == "No"


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"{", "rules.json"),
        (b'{"v": 2}', "v=2"),
        (b'{"defaults": {"mvoe": {}}}', "mvoe"),
        (b'{"defaults": {"move": {"threshold": 3}}}', "threshold"),
        (b'{"defaults": {"move": {"threshold_percent": 0}}}', "threshold_percent"),
        (b'{"symbols": {"AAPL": {"spike": {"threshold_z": "much"}}}}', "symbols.AAPL"),
        (b'{"unknown": 1}', "unknown"),
    ],
)
def test_a_rules_file_that_is_not_valid_is_refused_by_the_place_of_its_fault(content: bytes, place: str) -> None:
    with pytest.raises(ConfigError, match=place):
        parse_rules(content, THRESHOLD, "rules.json")


class Bucket:
    """What the provider reads: bytes, None, or an error to raise."""

    def __init__(self, content: bytes | Exception | None) -> None:
        self.content = content
        self.reads = 0

    def read(self, key: str) -> bytes | None:
        self.reads += 1
        if isinstance(self.content, Exception):
            raise self.content
        return self.content


def threshold(provider: RulesProvider, now: float) -> float | None:
    return provider.current(now).of("AAPL")[MOVE].threshold_percent


def test_rules_are_read_once_and_again_after_five_seconds() -> None:
    bucket = Bucket(None)
    provider = RulesProvider(bucket.read, "key", THRESHOLD)
    assert [threshold(provider, now) for now in (0.0, 1.0, REFRESH_SECONDS - 1)] == [5, 5, 5]
    assert bucket.reads == 1
    bucket.content = b'{"defaults": {"move": {"threshold_percent": 9}}}'
    assert threshold(provider, REFRESH_SECONDS) == 9
    bucket.content = b"broken"
    assert threshold(provider, 2 * REFRESH_SECONDS) == 9
    bucket.content = StoreUnavailableError("away")
    assert threshold(provider, 3 * REFRESH_SECONDS) == 9
    bucket.content = None
    assert threshold(provider, 4 * REFRESH_SECONDS) == 5


def test_without_permission_to_look_the_bundled_rules_serve_and_an_outage_is_no_reason_to_guess() -> None:
    refused = RulesProvider(Bucket(StoreRefusedError("GetObject", "AccessDenied", "", 403)).read, "key", THRESHOLD)
    assert threshold(refused, 0.0) == 5
    with pytest.raises(StoreUnavailableError):
        RulesProvider(Bucket(StoreUnavailableError("away")).read, "key", THRESHOLD).current(0.0)


alerts = st.builds(
    Alert,
    symbol=st.from_regex(r"[A-Z0-9^][A-Z0-9.^=&_$\-]{0,31}", fullmatch=True),
    alert_id=st.just("2026-11-20T14:30:00.000Z-move"),
    kind=st.sampled_from(sorted(KINDS)),
    direction=st.sampled_from(["up", "down", "none"]),
    severity=st.sampled_from(["info", "warning", "critical"]),
    timestamp=st.just("2026-11-20T14:30:00.000Z"),
    price=st.decimals("0.00000000000000000001", "99999999999999999999").map(str),
    change_percent=st.floats(-1e12, 1e12),
    value=st.floats(-1e12, 1e12),
    threshold=st.floats(0.1, 1000),
    previous_close=st.just("100.00"),
    volume=st.integers(0, 2**63 - 1),
    currency=st.none() | st.text(max_size=10),
    source=st.none() | st.just("simulated"),
)


@given(alerts)
def test_every_message_keeps_the_limits_of_its_protocol(alert: Alert) -> None:
    message = build_message(alert)
    body = json.loads(message.body)
    assert len(message.subject) <= SUBJECT_MAX_LENGTH
    assert message.subject.isascii()
    assert message.subject.isprintable()
    assert len(body["sms"]) <= SMS_MAX_LENGTH
    assert alert.symbol in body["email"]
    content = json.loads(body["default"])
    assert content["alert_id"] == alert.alert_id
    assert content["threshold"] == alert.threshold
    assert message.attributes["alert_id"] == f"{alert.symbol}@{alert.alert_id}"
    assert {"symbol", "kind", "severity", "direction"} < set(message.attributes)
    assert ("SIMULATED" in body["sms"]) is (alert.source == "simulated")


@pytest.mark.long
@pytest.mark.emulator
def test_an_alert_reaches_the_table_as_sent_and_a_subscriber_with_its_numbers(world: World) -> None:
    assert world.pipeline().process(quote_event(ticks(["94"]))).response == {"batchItemFailures": []}
    (item,) = world.items(world.config.alerts_table)
    assert "unsent" not in item
    assert (item["kind"], item["change_percent"], item["price"]) == ("move", -6, 94)
    (envelope,) = [json.loads(body) for body in world.messages()]
    assert envelope["Subject"] == "[info] AAPL -6.00% at 94"
    assert envelope["MessageAttributes"]["kind"]["Value"] == "move"
    assert json.loads(envelope["Message"])["alert_id"] == item["alert_id"]


@pytest.mark.long
@pytest.mark.skipif(not MARKET_DATA.is_dir(), reason="the shared real sessions are not here")
@pytest.mark.parametrize("path", sorted(MARKET_DATA.glob("*.csv.gz")), ids=lambda path: path.name.partition(".")[0])
def test_the_published_rule_holds_on_every_row_of_the_real_sessions(path: Path) -> None:
    quotes = read_session(path)
    for symbol in {one.symbol for one in quotes}:
        of_symbol = [one for one in quotes if one.symbol == symbol]
        folder = Folder().add(of_symbol)
        beyond = [abs((q.price - q.previous_close) / q.previous_close * 100) > 5 for q in of_symbol]
        assert [item["anomaly"] == "Yes" for item in folder.items()] == beyond
        assert bool(moves(folder)) is any(beyond)
