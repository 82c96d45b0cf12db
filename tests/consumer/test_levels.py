"""Price levels: when one rings, that once is once, and that it is a function of the log and the file of rules alone."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream_lambda.alerts.rules import SymbolRules, parse_rules
from stockstream_lambda.checkpoint import decode_checkpoint, encode_checkpoint
from stockstream_lambda.errors import ConfigError
from stockstream_wire import Quote, format_epoch_ms
from tests.consumer.folding import THRESHOLD, Folder
from tests.consumer.test_alerts import OPEN_MS, ticks


def at(second: int) -> str:
    return format_epoch_ms(OPEN_MS + second * 1000)


def rules(*levels: dict[str, Any]) -> SymbolRules:
    quiet = {
        "move": {"enabled": False},
        "gap": {"enabled": False},
        "spike": {"enabled": False},
        "stale": {"enabled": False},
    }
    content = {"defaults": quiet, "symbols": {"AAPL": {"level": {"levels": levels}}}}
    return parse_rules(json.dumps(content).encode(), THRESHOLD, "test").of("AAPL")


def rung(folder: Folder) -> list[str]:
    return [alert.alert_id for effects in folder.effects for alert in effects.alerts]


ABOVE = {"price": 200, "when": "above"}


def test_a_level_rings_when_the_price_comes_to_it_and_once_is_once() -> None:
    folder = Folder(rules(ABOVE)).add(ticks(["199", "199.99", "200", "201", "150", "201"]))
    assert rung(folder) == [f"{at(120)}-level-above-200"]
    (alert,) = folder.effects[0].alerts
    assert (alert.kind, alert.direction, alert.severity, alert.value, alert.threshold) == (
        "level", "up", "warning", 200.0, 200.0,
    )  # fmt: skip


def test_each_time_is_each_time_but_not_more_than_once_a_minute() -> None:
    each = {"price": 200, "when": "below", "repeat": "each"}
    folder = Folder(rules(each)).add(ticks(["201", "199", "201", "199", "201", "199"], step_seconds=30))
    assert rung(folder) == [f"{at(30)}-level-below-200", f"{at(90)}-level-below-200", f"{at(150)}-level-below-200"]
    dancing = Folder(rules(each)).add(ticks(["201", "199"] * 60, step_seconds=1))
    assert len(rung(dancing)) == 2


def test_where_the_price_is_beyond_the_level_already_the_first_quote_is_no_crossing() -> None:
    assert rung(Folder(rules(ABOVE)).add(ticks(["201", "202"]))) == []
    assert rung(Folder(rules(ABOVE)).add(ticks(["201", "199", "202"]))) == [f"{at(120)}-level-above-200"]


def test_a_crossing_between_the_adding_and_its_coming_into_force_is_told_by_the_first_quote_after() -> None:
    level = {**ABOVE, "since": at(100), "start": "below"}
    assert rung(Folder(rules(level)).add(ticks(["199", "201", "202"]))) == [f"{at(120)}-level-above-200"]
    beyond = {**level, "start": "above"}
    assert rung(Folder(rules(beyond)).add(ticks(["199", "201", "202", "199", "203"]))) == [f"{at(240)}-level-above-200"]


def test_it_is_in_force_by_the_moment_at_which_a_quote_was_seen() -> None:
    level = {**ABOVE, "since": at(100), "start": "below"}
    seen_later = ticks(["201"], polled_at=at(101))
    assert rung(Folder(rules(level)).add(ticks(["201"]))) == []
    assert rung(Folder(rules(level)).add(seen_later)) == [f"{at(0)}-level-above-200"]
    # A replayed file was seen at no moment.
    assert rung(Folder(rules(level)).add(ticks(["201"], source="replay"))) == [f"{at(0)}-level-above-200"]


def test_what_is_no_news_neither_rings_nor_uses_the_level_up() -> None:
    level = {**ABOVE, "start": "below"}
    folder = Folder(rules(level)).add(ticks(["201"], source="backfill")).add(ticks(["201"], start=60, stale=True))
    assert rung(folder) == []
    assert rung(folder.add(ticks(["201"], start=120))) == [f"{at(120)}-level-above-200"]


def test_a_night_is_no_crossing_and_a_level_that_is_watched_no_more_is_forgotten() -> None:
    night = 3 * 86_400
    each = {**ABOVE, "repeat": "each"}
    folder = Folder(rules(each)).add([*ticks(["199", "201"]), *ticks(["202"], start=night)])
    assert rung(folder) == [f"{at(60)}-level-above-200"]
    assert "level-above-200@" in folder.state.alerts
    later = Folder(rules())
    later.states = folder.states
    later.add(ticks(["203"], start=2 * night))
    assert not [key for key in later.state.alerts if key.startswith("level")]


def test_a_level_that_was_taken_away_and_is_added_anew_rings_anew() -> None:
    folder = Folder(rules(ABOVE)).add(ticks(["199", "201"]))
    again = Folder(rules({**ABOVE, "since": at(300), "start": "above"}))
    again.states = folder.states
    assert rung(again.add(ticks(["202", "199", "203"], start=400))) == [f"{at(520)}-level-above-200"]


prices = st.lists(st.sampled_from(["198", "199", "200", "201", "202"]), min_size=1, max_size=40)


@given(prices, st.data(), st.sampled_from(["once", "each"]), st.integers(0, 600))
def test_batches_and_containers_make_no_difference_to_what_rings(
    path: list[str], data: st.DataObject, repeat: str, since: int
) -> None:
    """Each part of the log is folded by a container of its own, that knows the checkpoint and read the rules itself."""
    level = {**ABOVE, "repeat": repeat, "since": at(since)}
    quotes = ticks(path, step_seconds=20)
    whole = rung(Folder(rules(level)).add(quotes))
    found: list[str] = []
    states = Folder().states
    position = 0
    while position < len(quotes):
        count = data.draw(st.integers(1, len(quotes)))
        part: list[Quote] = quotes[position : position + count]
        # Who judges quotes before the level is in force may not know of it yet.
        knows = part[-1].timestamp >= at(since) or data.draw(st.booleans())
        folder = Folder(rules(level) if knows else rules())
        folder.states = decode_checkpoint(encode_checkpoint(1, "2026-11-20", states), "key").states
        found += rung(folder.add(part))
        states, position = folder.states, position + count
    assert found == whole
    assert repeat == "each" or len(found) <= 1


@pytest.mark.parametrize(
    "level",
    [
        {"price": "NaN", "when": "above"},
        {"price": "1e30", "when": "above"},
        {"price": 1, "when": "over"},
        {"price": 1},
        {"price": 1, "when": "above", "repeat": "twice"},
        {"price": 1, "when": "above", "who": "me"},
    ],
)
def test_a_level_that_is_none_is_refused_by_its_place(level: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"symbols\.AAPL.*level"):
        rules(level)
