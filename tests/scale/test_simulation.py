"""The simulated event source does what its parts are known to do."""

import pytest

from benchmarks.scale.__main__ import PARTITIONS_MAX, settings_for
from benchmarks.scale.calibration import Cost
from benchmarks.scale.simulation import BATCH_QUOTES_MAX, CORE_MB, Setting, simulate

COST = Cost(base_cpu_seconds=0.001, quote_cpu_seconds=70e-6, samples=())


def test_a_lane_has_what_a_core_gives_and_no_more() -> None:
    core = 1 / COST.quote_cpu_seconds  # 14,286 quotes a second, were there nothing to wait for
    assert simulate(Setting(rate=core / 2, shards=1, partitions=4), COST).is_holding
    assert not simulate(Setting(rate=core * 1.1, shards=1, partitions=4), COST).is_holding
    assert not simulate(Setting(rate=core / 2, shards=1, partitions=4, memory_mb=CORE_MB // 4), COST).is_holding


def test_with_a_partition_a_lane_nothing_is_lost_to_another_writer() -> None:
    outcome = simulate(Setting(rate=100_000, shards=64, partitions=64), COST)
    assert outcome.is_holding
    assert outcome.conflicts_a_second == 0
    assert outcome.batch_quotes == pytest.approx(100_000 / 64, rel=0.02)
    assert outcome.puts_a_second == pytest.approx(128, rel=0.02), "two entries of at most 1,000 quotes a batch"


def test_many_writers_of_a_partition_fold_one_anothers_quotes_and_fall_behind() -> None:
    alone = simulate(Setting(rate=100_000, shards=64, partitions=64), COST)
    crowd = simulate(Setting(rate=100_000, shards=64, partitions=4), COST)
    assert not crowd.is_holding
    assert crowd.conflicts_a_second > 0
    assert crowd.busy_lanes > alone.busy_lanes


def test_a_longer_window_costs_age_and_saves_requests() -> None:
    short = simulate(Setting(rate=10_000, shards=4, partitions=16, window_seconds=1), COST)
    long = simulate(Setting(rate=10_000, shards=4, partitions=16, window_seconds=5), COST)
    assert long.puts_a_second < short.puts_a_second
    assert long.age_p50_seconds > short.age_p50_seconds


def test_a_payload_is_never_over_its_limit() -> None:
    outcome = simulate(Setting(rate=14_000, shards=1, partitions=4, window_seconds=60), COST)
    assert outcome.batch_quotes <= BATCH_QUOTES_MAX


@pytest.mark.parametrize("rate", [1, 1_000, 100_000, 1_000_000])
def test_settings_are_ones_that_can_be_set(rate: float) -> None:
    settings = settings_for(rate)
    assert len(set(settings)) == len(settings) >= 4
    for setting in settings:
        assert setting.rate / setting.shards < 3300
        assert setting.partitions in {1 << power for power in range(2, 11)}
        assert setting.partitions <= PARTITIONS_MAX
