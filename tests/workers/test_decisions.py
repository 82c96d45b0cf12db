"""Whose symbol it is, and who is alive."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.workers.members import DEAD_AFTER_HEARTBEATS, Observation, Row, observe, who_is_alive, who_shares
from stockstream.workers.share import owner_of, share_of

SYMBOLS = tuple(f"S{number}" for number in range(600))
WORKERS = ("ada", "bob", "cyd")
HEARTBEAT = 5.0

names = st.sets(st.text(min_size=1, max_size=12), min_size=1, max_size=8)


@given(names, names)
def test_every_symbol_has_one_owner_and_all_workers_name_the_same(symbols: set[str], workers: set[str]) -> None:
    shares = [share_of(sorted(symbols), me, workers) for me in workers]

    assert Counter(symbol for share in shares for symbol in share) == Counter(symbols)


def test_shares_are_about_even() -> None:
    sizes = [len(share_of(SYMBOLS, me, WORKERS)) for me in WORKERS]

    assert all(150 < size < 250 for size in sizes)


@given(names, names)
def test_a_worker_who_goes_moves_its_own_symbols_and_no_other(symbols: set[str], workers: set[str]) -> None:
    gone = min(workers)
    left = workers - {gone} or {"another"}

    moved = {symbol for symbol in symbols if owner_of(symbol, workers) != owner_of(symbol, left)}

    assert moved == {symbol for symbol in symbols if owner_of(symbol, workers) == gone}


def test_the_order_of_the_list_is_kept() -> None:
    share = share_of(SYMBOLS, "ada", WORKERS)

    assert sorted(share, key=SYMBOLS.index) == list(share)


def row(worker: str, beats: int, *, is_serving: bool = True) -> Row:
    return Row(worker, beats, is_serving=is_serving)


def seen(*counts: int, watched_seconds: float = HEARTBEAT / 4) -> dict[str, Observation]:
    """What is known of `bob` after looks at which its counter was so far."""
    found: dict[str, Observation] = {}
    for look, beats in enumerate(counts):
        found = observe(found, [row("bob", beats)], watched_seconds if look else 0.0, is_first=not look)
    return found


def test_a_counter_that_moves_is_a_living_worker() -> None:
    assert who_is_alive(seen(7, 7, 8), HEARTBEAT) == {"bob"}


def test_a_counter_that_stands_for_two_and_a_half_heartbeats_is_a_dead_one() -> None:
    looks = int(DEAD_AFTER_HEARTBEATS * 4)

    assert who_is_alive(seen(7, 8, *[8] * (looks - 1)), HEARTBEAT) == {"bob"}
    assert who_is_alive(seen(7, 8, *[8] * looks), HEARTBEAT) == set()
    assert who_is_alive(seen(7, 8, *[8] * looks, 9), HEARTBEAT) == {"bob"}


def test_what_was_there_at_the_first_look_is_a_relic_until_it_moves() -> None:
    assert who_is_alive(seen(7), HEARTBEAT) == set()
    assert who_is_alive(seen(7, 8), HEARTBEAT) == {"bob"}


def test_one_who_appears_while_we_look_is_alive_at_once() -> None:
    found = observe({}, [], 0.0, is_first=True)

    assert who_is_alive(observe(found, [row("bob", 1)], 1.0, is_first=False), HEARTBEAT) == {"bob"}


def test_nobody_grows_silent_while_nobody_can_look() -> None:
    assert who_is_alive(seen(7, 8, *[8] * 100, watched_seconds=0.0), HEARTBEAT) == {"bob"}


def test_one_who_has_left_is_gone_at_once() -> None:
    assert observe(seen(7, 8), [], 1.0, is_first=False) == {}


@pytest.mark.parametrize(
    ("me_serving", "others", "sharing"),
    [
        (True, {"bob": True, "cyd": True}, {"ada", "bob", "cyd"}),
        # One who joins takes nothing before its source has answered, and polls its own share meanwhile.
        (True, {"bob": True, "cyd": False}, {"ada", "bob"}),
        (False, {"bob": True, "cyd": True}, {"ada", "bob", "cyd"}),
        # Nobody serves at the start, or in an outage: then all share as if they did.
        (False, {"bob": False, "cyd": False}, {"ada", "bob", "cyd"}),
        # The first whose source answers takes all, until the others have answers too.
        (True, {"bob": False, "cyd": False}, {"ada"}),
        (False, {"bob": True, "cyd": False}, {"ada", "bob"}),
    ],
)
def test_those_share_who_serve_and_oneself(*, me_serving: bool, others: dict[str, bool], sharing: set[str]) -> None:
    found = {
        worker: Observation(1, 0.0, is_proven=True, is_serving=is_serving) for worker, is_serving in others.items()
    }

    assert who_shares("ada", found, HEARTBEAT, is_serving=me_serving) == sharing
