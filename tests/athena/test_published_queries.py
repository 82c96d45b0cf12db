"""The four published queries: verbatim, and right, on real sessions and on moves that the real ones do not have."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest

from stockstream.lake import Lake, LocalArchive, QueryResult, find_athena_files
from stockstream_wire import Quote
from tests.athena.sessions import ROOT, SESSIONS, quote, read_session, write_archive

PUBLISHED = """\
-- Basic data retrieval
SELECT * FROM stock_data_table LIMIT 10;

-- Top 5 stocks with highest price change
SELECT symbol, price, previous_close,
       (price - previous_close) AS price_change
FROM stock_data_table
ORDER BY price_change DESC
LIMIT 5;

-- Average trading volume per stock
SELECT symbol, AVG(volume) AS avg_volume
FROM stock_data_table
GROUP BY symbol;

-- Anomalous stocks (price change > 5%)
SELECT symbol, price, previous_close,
       ROUND(((price - previous_close) / previous_close) * 100, 2) AS change_percent
FROM stock_data_table
WHERE ABS(((price - previous_close) / previous_close) * 100) > 5;
"""

MOVES = [
    quote("UP", "2026-11-20T15:00:00.000Z", "105.01", "100", 10),
    quote("UP", "2026-11-20T15:00:30.000Z", "105", "100", 20),  # exactly 5%: no anomaly
    quote("UP", "2026-11-20T15:01:00.000Z", "2.1", "2", 30),  # exactly 5%, and 5.000000000000004 as doubles
    quote("DOWN", "2026-11-20T15:00:00.000Z", "94.995", "100", 7),  # 5.005 rounds to 5.01 and not to 5.00
    quote("DOWN", "2026-11-20T15:00:30.000Z", "95", "100", 8),
    quote("^VIX", "2026-11-20T15:00:00.000Z", "0.0000123456", "0.00001", 0),
    quote("GC=F", "2026-11-20T15:00:00.000Z", "4012.35", "3700.10", 9_007_199_254_740_993),
]


def with_movers(quotes: list[Quote]) -> list[Quote]:
    """The session as it would look after lower closes the day before, so that many of its quotes pass 5%."""
    ratios = {"AAPL": Decimal("0.957"), "IBM": Decimal("0.94")}
    lowered = [
        Quote(
            **{
                **{name: getattr(entry, name) for name in entry.__struct_fields__},
                "previous_close": (entry.previous_close * ratios.get(entry.symbol, Decimal(1))).quantize(
                    Decimal("0.01")
                ),
            }
        )
        for entry in quotes
    ]
    beyond = sum(abs(entry.price - entry.previous_close) * 20 > entry.previous_close for entry in lowered)
    assert 0 < beyond < len(lowered)
    return lowered


def cases() -> Iterator[Any]:
    yield pytest.param(MOVES, id="made-up moves")
    for path in SESSIONS:
        yield pytest.param(path, id=path.name)
    for path in SESSIONS[::2]:
        yield pytest.param((path,), id=f"{path.name} after lower closes")
    if not SESSIONS:
        yield pytest.param(
            None, id="real sessions", marks=pytest.mark.skip(reason="no ../shared/data/market beside the checkout")
        )


@pytest.fixture(name="session", scope="module", params=list(cases()))
def _session(request: pytest.FixtureRequest) -> list[Quote]:
    given = request.param
    if isinstance(given, Path):
        return read_session(given)
    return with_movers(read_session(given[0])) if isinstance(given, tuple) else list(given)


@pytest.fixture(name="answers", scope="module")
def _answers(session: list[Quote], tmp_path_factory: pytest.TempPathFactory) -> list[QueryResult]:
    files = find_athena_files()
    with Lake(LocalArchive(write_archive(tmp_path_factory.mktemp("archive"), session)), files) as lake:
        return list(lake.run(files.published_queries.read_text(encoding="utf-8")))


def test_the_file_holds_the_published_queries_verbatim() -> None:
    assert (ROOT / "athena" / "queries.sql").read_text(encoding="utf-8") == PUBLISHED


def test_basic_data_retrieval_gives_ten_archived_quotes(session: list[Quote], answers: list[QueryResult]) -> None:
    columns, rows = answers[0].columns, answers[0].rows
    assert len(rows) == min(10, len(session))
    assert columns == (*Quote.__struct_fields__[:-1], "v")
    known = {(entry.symbol, entry.timestamp): entry for entry in session}
    for row in rows:
        values = dict(zip(columns, row, strict=True))
        entry = known[values["symbol"], values["timestamp"]]
        for name in ("open", "high", "low", "price", "previous_close", "volume", "source"):
            assert values[name] == getattr(entry, name), name
        assert values["v"] == 1
        assert values["bid"] is None


def test_top_five_are_the_five_largest_price_changes(session: list[Quote], answers: list[QueryResult]) -> None:
    expected = sorted((entry.price - entry.previous_close for entry in session), reverse=True)[:5]
    assert answers[1].columns == ("symbol", "price", "previous_close", "price_change")
    assert [row[3] for row in answers[1].rows] == expected
    # Which of several equal changes come is Athena's choice; each must be a quote of the session.
    quotes = {(entry.symbol, entry.price, entry.previous_close) for entry in session}
    assert all(row[:3] in quotes and row[3] == row[1] - row[2] for row in answers[1].rows)


def test_average_volume_is_the_mean_of_every_stocks_quotes(session: list[Quote], answers: list[QueryResult]) -> None:
    volumes: dict[str, list[int]] = defaultdict(list)
    for entry in session:
        volumes[entry.symbol].append(entry.volume or 0)
    assert answers[2].columns == ("symbol", "avg_volume")
    assert len(answers[2].rows) == len(volumes)
    for symbol, average in answers[2].rows:
        assert average == pytest.approx(sum(volumes[symbol]) / len(volumes[symbol]), rel=1e-12)


def test_anomalous_stocks_are_those_beyond_five_percent(session: list[Quote], answers: list[QueryResult]) -> None:
    expected = []
    for entry in session:
        percent = (entry.price - entry.previous_close) / entry.previous_close * 100
        if abs(percent) > 5:
            rounded = percent.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
            expected.append((entry.symbol, entry.price, entry.previous_close, rounded))
    assert answers[3].columns == ("symbol", "price", "previous_close", "change_percent")
    assert sorted(answers[3].rows) == sorted(expected)


def test_the_made_up_moves_hold_what_doubles_would_get_wrong(tmp_path: Path) -> None:
    files = find_athena_files()
    with Lake(LocalArchive(write_archive(tmp_path, MOVES)), files) as lake:
        anomalies = list(lake.run(files.published_queries.read_text(encoding="utf-8")))[3].rows
    assert sorted((row[0], row[3]) for row in anomalies) == [
        ("DOWN", Decimal("-5.01")),
        ("GC=F", Decimal("8.44")),
        ("UP", Decimal("5.01")),
        ("^VIX", Decimal("23.46")),
    ]
