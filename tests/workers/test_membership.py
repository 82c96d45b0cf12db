"""Members of one deployment over one table: who comes, goes, dies and cannot read it."""

from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from tests.workers.twin import Fleet

SYMBOLS = tuple(f"S{number}" for number in range(60))


@pytest.fixture
async def fleet() -> Fleet:
    fleet = Fleet()
    for name in ("ada", "bob", "cyd"):
        await fleet.join(name)
    await fleet.pass_time(1)
    return fleet


async def test_three_share_every_symbol_and_none_twice(fleet: Fleet) -> None:
    assert fleet.all_share()
    followed = [symbol for membership in fleet.living.values() for symbol in membership.share.of(SYMBOLS)]
    assert sorted(followed) == sorted(SYMBOLS)


@pytest.mark.parametrize("phase", [0.0, 0.25, 0.5, 0.75])
async def test_one_who_dies_is_taken_over_from_within_three_heartbeats(fleet: Fleet, phase: float) -> None:
    await fleet.pass_time(phase)
    del fleet.living["bob"]

    await fleet.pass_time(2.75)

    assert fleet.all_share()


async def test_a_late_heartbeat_is_no_death(fleet: Fleet) -> None:
    bob = fleet.living.pop("bob")
    await fleet.pass_time(1.5)
    fleet.living["bob"] = bob

    await fleet.pass_time(0.25)

    assert fleet.all_share()


async def test_one_taken_for_dead_shares_again_when_its_counter_moves(fleet: Fleet) -> None:
    bob = fleet.living.pop("bob")
    await fleet.pass_time(5)
    assert fleet.all_share()

    fleet.living["bob"] = bob
    await fleet.pass_time(0.5)

    assert fleet.all_share()


async def test_one_who_leaves_is_taken_over_from_at_the_next_look(fleet: Fleet) -> None:
    await fleet.living.pop("bob").leave()

    await fleet.pass_time(0.25)

    assert fleet.all_share()
    assert set(fleet.table.items) == {"ada", "cyd"}


async def test_a_membership_that_has_left_writes_nothing_any_more(fleet: Fleet) -> None:
    bob = fleet.living["bob"]
    await bob.leave()
    await fleet.pass_time(2)

    assert "bob" not in fleet.table.items


async def test_one_who_joins_takes_nothing_before_its_source_answers(fleet: Fleet) -> None:
    await fleet.join("dan", is_serving=False)
    await fleet.pass_time(1)
    assert fleet.sharing()["ada"] == {"ada", "bob", "cyd"}
    assert fleet.sharing()["dan"] == {"ada", "bob", "cyd", "dan"}

    fleet.serving["dan"] = True
    await fleet.pass_time(0.5)  # the news does not wait for a heartbeat

    assert fleet.all_share()


async def test_one_whose_source_fails_hands_over_and_goes_on_trying(fleet: Fleet) -> None:
    fleet.serving["bob"] = False
    await fleet.pass_time(0.5)

    assert fleet.sharing()["ada"] == fleet.sharing()["cyd"] == {"ada", "cyd"}
    assert fleet.sharing()["bob"] == {"ada", "bob", "cyd"}


async def test_an_outage_of_everybodys_source_changes_no_share(fleet: Fleet) -> None:
    fleet.serving.update(dict.fromkeys(fleet.serving, False))

    await fleet.pass_time(3)

    assert fleet.all_share()


async def test_clocks_that_are_hours_off_change_nothing() -> None:
    fleet = Fleet()
    for name, hours in (("ada", -5), ("bob", 0), ("cyd", 30)):
        await fleet.join(name, wall_clock_off=timedelta(hours=hours))
    await fleet.pass_time(20)

    assert fleet.all_share()


async def test_without_the_table_the_last_membership_goes_on_and_that_is_said_once(fleet: Fleet) -> None:
    fleet.table.is_away = True
    with capture_logs() as logs:
        await fleet.pass_time(20)

    assert fleet.all_share()
    assert [entry["event"] for entry in logs] == ["workers_table_away"] * 3
    assert fleet.living["ada"].status()["table_away_seconds"] >= 95


async def test_after_an_outage_of_the_table_nobody_is_taken_for_dead(fleet: Fleet) -> None:
    fleet.table.is_away = True
    await fleet.pass_time(20)
    fleet.table.is_away = False
    versions = {name: membership.share.version for name, membership in fleet.living.items()}

    with capture_logs() as logs:
        await fleet.pass_time(3)

    assert fleet.all_share()
    assert {name: membership.share.version for name, membership in fleet.living.items()} == versions
    assert [entry["event"] for entry in logs] == ["workers_table_back"] * 3
    assert fleet.living["ada"].status()["table_away_seconds"] == 0


async def test_one_who_starts_without_a_table_follows_all(fleet: Fleet) -> None:
    fleet.table.is_away = True
    dan = await fleet.join("dan")
    assert dan.share.of(SYMBOLS) == SYMBOLS

    fleet.table.is_away = False
    await fleet.pass_time(1.5)

    assert fleet.all_share()


async def test_relics_of_workers_that_died_take_no_symbol_from_one_who_starts(fleet: Fleet) -> None:
    fleet.living.clear()

    eve = await fleet.join("eve")

    assert eve.share.of(SYMBOLS) == SYMBOLS
    await fleet.pass_time(10)
    assert eve.share.of(SYMBOLS) == SYMBOLS


async def test_the_first_of_a_deployment_waits_for_nobody() -> None:
    fleet = Fleet()
    before = fleet.seconds

    await fleet.join("ada")

    assert fleet.seconds == before


async def test_the_health_document_tells_who_shares_and_how_much(fleet: Fleet) -> None:
    ada = fleet.living["ada"]
    followed = len(ada.share.of(SYMBOLS))

    assert ada.status() == {
        "worker": "ada",
        "alive": 3,
        "sharing": ["ada", "bob", "cyd"],
        "symbols_followed": followed,
        "symbols_listed": 60,
        "table_away_seconds": 0.0,
    }
