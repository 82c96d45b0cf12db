"""Answers that are kept for some seconds, and no longer than that."""

import pytest

from stockstream.dashboard.kept import Kept


async def test_what_could_not_be_made_leaves_nothing_behind() -> None:
    kept = Kept(60)

    async def fails() -> None:
        raise OSError("away")

    async def makes() -> int:
        return 1

    for number in range(100):
        with pytest.raises(OSError, match="away"):
            await kept.get(number, fails)
    assert await kept.get("made", makes) == 1
    assert list(kept._locks) == ["made"]


async def test_no_more_are_kept_than_may_be_and_the_oldest_goes_first() -> None:
    kept = Kept(60, most=3)
    made = []

    async def get(key: int) -> None:
        async def make() -> int:
            made.append(key)
            return key

        assert await kept.get(key, make) == key

    for key in (1, 2, 3, 4, 4, 3, 1):
        await get(key)
    assert made == [1, 2, 3, 4, 1]
    assert len(kept._made) == len(kept._locks) == 3
