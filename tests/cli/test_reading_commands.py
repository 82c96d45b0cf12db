"""`latest`, `candles`, `tail` and `export` over stores written by hand, as a user calls them."""

import asyncio
import csv
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.audit.stored_day import DAY, QUOTES, WINDOWS, item_of, quote
from tests.reading.stored import Stored, stored_market


@pytest.fixture(name="stored")
async def _stored() -> AsyncIterator[Stored]:
    async with stored_market() as stored:
        await stored.begin()
        for item in QUOTES:
            await stored.put("quotes", **item_of(item, **WINDOWS[item.timestamp], session=DAY))
            await stored.append(item)
        yield stored


def environment(stored: Stored) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STOCKSTREAM_", "AWS_"))}
    endpoint = stored.aws.endpoint_url or ""
    return kept | {
        "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }  # fmt: skip


def _assert_only(folder: Path, *names: str) -> None:
    assert sorted(path.name for path in folder.iterdir()) == list(names)


async def run(stored: Stored, *arguments: str) -> tuple[int, str, str]:
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "stockstream", *arguments], env=environment(stored),
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


async def test_latest_shows_what_there_is_and_names_what_there_is_not(stored: Stored) -> None:
    code, out, err = await run(stored, "latest", "aapl", "NONE")
    assert (code, out.splitlines()[1].split()[:1], out.splitlines()[1].split()[3]) == (1, ["AAPL"], "98.25")
    assert err == "NONE: no quote of it has been stored\n"


async def test_candles_and_exports_tell_the_same(stored: Stored, tmp_path: Path) -> None:
    code, out, _ = await run(stored, "candles", "AAPL", "--interval", "5m", "--session", DAY, "--format", "json")
    (candle,) = [json.loads(line) for line in out.splitlines()]
    assert (code, candle["close"], candle["is_closed"]) == (0, 98.25, False)
    code, _, err = await run(
        stored, "export", "candles", "--interval", "5m", "--session", DAY, "-o", str(tmp_path / "out.parquet")
    )
    assert code == 0, err
    assert pq.read_table(tmp_path / "out.parquet").column("close").to_pylist() == [98.25]
    code, _, err = await run(stored, "export", "quotes", "--symbols", "AAPL", "-o", str(tmp_path / "out.csv"))
    assert code == 0, err
    lines = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert [line["price"] for line in lines] == [str(item.price) for item in QUOTES]
    _assert_only(tmp_path, "out.csv", "out.parquet")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("export", "quotes", "-o", "x.txt"), "must end with .csv or .parquet"),
        (("candles", "AAPL", "--from", "yesterday"), "--from 'yesterday' is not a time"),
        (("candles", "AAPL", "--from", "2026-11-20T10:00"), "has no offset from UTC"),
        (("latest", "A B"), "symbol"),
    ],
)
async def test_what_is_wrong_is_one_line_and_exit_code_2(stored: Stored, arguments: tuple[str, ...], said: str) -> None:
    code, _, err = await run(stored, *arguments)
    assert code == 2
    assert said in err
    assert "Traceback" not in err


async def test_tail_begins_with_what_is_stored_and_goes_on_with_what_comes(stored: Stored) -> None:
    command = [sys.executable, "-m", "stockstream", "tail", "AAPL", "--from", f"{DAY}T15:00Z", "--json"]
    process = await asyncio.create_subprocess_exec(*command, env=environment(stored), stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(100):
            first = json.loads(await process.stdout.readline())
            await stored.append(quote(96, "97.5", 9100))
            second = json.loads(await process.stdout.readline())
    finally:
        process.terminate()
        await process.wait()
    assert (first["price"], second["price"]) == (98.25, 97.5)
