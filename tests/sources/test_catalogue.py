"""The catalogue of sources: each entry is whole, and each source is in it."""

import inspect
from pathlib import Path

import pytest

from scripts.settings_docs import TARGET
from stockstream.clock import SYSTEM_CLOCK
from stockstream.settings import Settings, load_settings
from stockstream.source_kinds import AUTO, SOURCE_CHOICES, SOURCE_KINDS, SourceKind, at_place, source_kind
from stockstream.sources.factory import check_source, make_source, probe_source, with_own_symbols

SOURCES = Path(__file__).parents[2] / "service" / "stockstream" / "sources"
SESSION = Path(__file__).parents[2] / "examples" / "simulated-session.csv.gz"


# What a source cannot do without.
NEEDS: dict[str, object] = {"alpaca_key_id": "PKTESTKEY0001", "alpaca_secret_key": "testsecret0001"}


def settings_of(kind: SourceKind, **more: object) -> Settings:
    files = {} if kind.follows_watchlist else {"replay_files": (SESSION,)}
    return load_settings({"source": kind.name, **NEEDS, **files, **more})


def test_every_folder_of_sources_has_an_entry() -> None:
    folders = {path.parent.name for path in SOURCES.glob("*/__init__.py")}
    made_in = {kind.make.partition(":")[0].split(".")[2] for kind in SOURCE_KINDS}
    assert made_in == folders


def test_names_are_unique_and_none_is_auto() -> None:
    assert len(SOURCE_CHOICES) == len(SOURCE_KINDS) + 1 == len(set(SOURCE_CHOICES))
    assert SOURCE_CHOICES[-1] == AUTO


@pytest.mark.parametrize("kind", SOURCE_KINDS, ids=lambda kind: kind.name)
def test_every_place_that_an_entry_names_is_there_and_takes_what_it_is_given(kind: SourceKind) -> None:
    assert list(inspect.signature(at_place(kind.make)).parameters) == ["settings", "clock"]
    if kind.check is not None:
        assert list(inspect.signature(at_place(kind.check)).parameters) == ["settings"]
    if kind.probe is not None:
        assert list(inspect.signature(at_place(kind.probe)).parameters) == ["settings", "timeout_seconds"]
        assert inspect.iscoroutinefunction(at_place(kind.probe))
    if kind.history is not None:
        assert callable(at_place(kind.history))


def test_every_live_source_has_a_history_of_its_own() -> None:
    assert [kind.name for kind in SOURCE_KINDS if kind.history is not None] == [
        kind.name for kind in SOURCE_KINDS if kind.is_live
    ]


@pytest.mark.parametrize("kind", SOURCE_KINDS, ids=lambda kind: kind.name)
async def test_a_source_carries_the_name_under_which_it_is_looked_up(kind: SourceKind, tmp_path: Path) -> None:
    settings = settings_of(kind, cache_dir=tmp_path)
    await check_source(settings)
    source = await make_source(settings, SYSTEM_CLOCK)
    try:
        assert source_kind(source.label) is kind
        assert source.is_market_data == (kind.name != "simulated")
    finally:
        await source.aclose()


async def test_what_is_not_on_the_network_is_not_probed() -> None:
    for kind in SOURCE_KINDS:
        if not kind.is_live:
            assert await probe_source(kind, settings_of(kind), 1.0) is None


@pytest.mark.parametrize("kind", SOURCE_KINDS, ids=lambda kind: kind.name)
def test_own_symbols_give_way_to_those_that_were_named(kind: SourceKind) -> None:
    assert with_own_symbols(settings_of(kind, symbols="XYZ")).symbols.symbols == ("XYZ",)
    assert with_own_symbols(settings_of(kind)).symbols.symbols == (kind.own_symbols or ("AAPL",))


def test_the_settings_page_lists_every_source() -> None:
    page = TARGET.read_text(encoding="utf-8")
    for kind in SOURCE_KINDS:
        assert f"| `{kind.name}` | {kind.meaning} |" in page
