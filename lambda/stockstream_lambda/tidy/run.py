"""A partition's night: settle, close what is over, write down what stands still, tidy what is closed and covered."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from stockstream_lambda.checkpoint import read_checkpoint
from stockstream_lambda.clock import Deadline
from stockstream_lambda.errors import ConsumerError, OutOfTimeError
from stockstream_lambda.log import close_object
from stockstream_lambda.partition import PartitionLog, Share, Turn
from stockstream_lambda.pipeline import Pipeline
from stockstream_lambda.tidy.folders import Folders
from stockstream_wire import format_timestamp
from stockstream_wire.storage import Partition, TidyMarker, partitions_of

# A record may come so long after its maximum age, by an invocation that was begun within it.
CLOSE_SLACK: Final = timedelta(hours=2)

log = structlog.get_logger("stockstream.tidy")


def run_tidy(pipeline: Pipeline, event: dict[str, Any], deadline: Deadline) -> dict[str, Any]:
    """Do the night's work of every partition, or of the one that the event names.

    Args:
        pipeline: Knows the partitions.
        event: `day`: the last folder; `partition`: its number; `dry_run`: only say.
        deadline: When to stop; the next call goes on.

    Returns:
        `tidied`: the folders, by partition; `closes`: partitions with windows closed; `failed`: error by partition;
        `more`: time ran out.

    Raises:
        ConfigError, LogNewerError, StoreError: as `Pipeline.turn` does.
    """
    now = datetime.fromtimestamp(pipeline.clock.now(), UTC)
    turn = pipeline.turn(now, deadline)
    until = format_timestamp(now - timedelta(seconds=pipeline.config.max_record_age_seconds) - CLOSE_SLACK)
    tidied: dict[str, list[str]] = {}
    failed: dict[str, str] = {}
    closes, more = [], False
    for partition in partitions_of(pipeline.config.partitions):
        if event.get("partition", partition.number) != partition.number:
            continue
        try:
            if not event.get("dry_run") and close_over(pipeline, partition, turn, until):
                closes.append(partition.name)
            for marker in tidy_partition(pipeline, partition, event, deadline):
                tidied.setdefault(partition.name, []).append(marker.day)
                log.info("folder_tidied", partition=partition.name, **_fields(marker))
        except OutOfTimeError:
            more = True
            break
        except ConsumerError as exc:
            # The others' nights do not wait for it.
            failed[partition.name] = str(exc)
            log.error("tidy_failed", partition=partition.name, error=str(exc))  # noqa: TRY400 - a store's fault
    return {"tidied": tidied, "closes": closes, "failed": failed, "more": more}


def close_over(pipeline: Pipeline, partition: Partition, turn: Turn, until: str) -> bool:
    """Settle a partition, append a close where a window that ended by then is open, and write a checkpoint."""
    known, share = pipeline.log_of(partition, turn), Share()
    known.settle(share, turn)
    is_closed = False
    while not is_closed and _is_any_over(known, until):
        is_closed = known.append(close_object(until), share, turn)
    if known.checkpoint_age_revisions:
        known.checkpoint()
    return is_closed


def tidy_partition(
    pipeline: Pipeline, partition: Partition, event: dict[str, Any], deadline: Deadline
) -> Iterator[TidyMarker]:
    """Tidy one partition's folders."""
    revision = read_checkpoint(pipeline.stores, partition).checkpoint.revision
    folders = Folders(partition, pipeline.stores, pipeline.calls, pipeline.clock)
    yield from folders.tidy(revision, deadline, until_day=event.get("day", "9999"), dry_run=bool(event.get("dry_run")))


def _is_any_over(known: PartitionLog, until: str) -> bool:
    return any(state.candles.over_by(until, state.day_rule) for state in known.states.values())


def _fields(marker: TidyMarker) -> dict[str, Any]:
    return {"day": marker.day, "first": marker.first, "last": marker.last}
