"""Random schedules of the real code, a few thousand; `python -m benchmarks.consumer_schedules` runs a million."""

import pytest

from tests.consumer.schedules import Schedule

BLOCK = 250


@pytest.mark.parametrize("block", range(10))
def test_whatever_crashes_wakes_late_or_runs_twice_every_quote_is_stored_once_and_every_table_is_as_the_log_says(
    block: int,
) -> None:
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        Schedule(seed).run()
