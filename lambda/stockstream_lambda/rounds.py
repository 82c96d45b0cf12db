"""Takes every symbol of a batch from its state to its last commit, all symbols together, in rounds.

One round: fold a segment of each symbol, commit them in transactions, write what they owe, end their redo logs. Almost
every batch is one round; a symbol with more than 500 quotes takes more.
"""

import zlib
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
import structlog

from stockstream_lambda.alerts.rules import AlertRules
from stockstream_lambda.analysis.fold import SymbolFold
from stockstream_lambda.aws.dynamodb import (
    BATCH_GET_MAX_KEYS,
    TRANSACTION_MAX_BYTES,
    TRANSACTION_MAX_ITEMS,
    TransactionCanceledError,
    TransactionWrite,
)
from stockstream_lambda.config import Config
from stockstream_lambda.effects import Effects
from stockstream_lambda.errors import StoreError, StoreUnavailableError, SymbolStateError
from stockstream_lambda.parallel import Calls, chunks
from stockstream_lambda.stores import Key, Stores
from stockstream_lambda.symbols import build_commit, view_of
from stockstream_lambda.tally import Tally
from stockstream_lambda.work import MAX_CONFLICTS, SymbolWork

log = structlog.get_logger("stockstream.consumer")


class Rounds:
    """Runs the rounds of one batch.

    Args:
        config: The consumer's configuration.
        stores: Where everything is kept.
        calls: Runs calls in parallel.
        rules: Alert rules in force.
        tally: Counts what was done.
    """

    def __init__(self, config: Config, stores: Stores, calls: Calls, rules: AlertRules, tally: Tally) -> None:
        self._config = config
        self._stores = stores
        self._calls = calls
        self._rules = rules
        self._tally = tally
        self._effects = Effects(config, stores, calls)

    def run(self, works: Sequence[SymbolWork], out_of_time: Callable[[], bool]) -> None:
        """Work until every symbol is done or has failed; a failed one says why in `work.error`."""
        while pending := [work for work in works if work.open]:
            if out_of_time():
                for work in pending:
                    work.fail(StoreUnavailableError("the invocation is out of time"))
                break
            self._load([work for work in pending if work.view is None])
            self._fold([work for work in pending if work.error is None])
            self._commit([work for work in pending if work.error is None and work.commit is not None])
            self._settle([work for work in pending if work.error is None and work.commit is not None])
        self._tally.alerts_published += self._effects.alerts_published

    def _load(self, works: Sequence[SymbolWork]) -> None:
        def read(part: Sequence[SymbolWork]) -> None:
            items = self._stores.get_symbols([work.symbol for work in part])
            for work in part:
                try:
                    work.view = view_of(work.symbol, items.get(work.symbol))
                except (KeyError, ValueError, zlib.error, msgspec.DecodeError) as exc:
                    work.fail(SymbolStateError(f"{work.symbol}: its item cannot be read: {exc!r}"))

        parts = chunks(works, BATCH_GET_MAX_KEYS)
        _fail_parts(parts, self._calls.run([partial(read, part) for part in parts]))
        loaded = [work for work in works if work.view is not None]
        self._recover(loaded)
        self._look_up([work for work in loaded if work.error is None])
        for work in loaded:
            if work.view is not None:
                work.fold = SymbolFold(
                    work.symbol,
                    work.view.state,
                    self._rules.of(work.symbol),
                    self._config.anomaly_threshold_percent,
                    self._config.retention_days,
                )

    def _recover(self, works: Sequence[SymbolWork]) -> None:
        """Finish what an earlier commit of a symbol still owes, before anything else of that symbol."""
        owing = [(work, work.view.redo) for work in works if work.view is not None and work.view.redo is not None]
        if not owing:
            return
        self._tally.recovered += len(owing)
        errors = self._effects.write([redo for _, redo in owing], recovered=True)
        for (work, _), error in zip(owing, errors, strict=True):
            if error is not None:
                work.fail(error)
        done = [(work, redo) for work, redo in owing if work.error is None]
        clears = [partial(self._stores.clear_redo, work.symbol, redo.revision) for work, redo in done]
        for (work, _), error in zip(done, self._calls.run(clears), strict=True):
            if error is not None:
                work.fail(error)

    def _look_up(self, works: Sequence[SymbolWork]) -> None:
        """Find out which quotes that are not newer than their symbol's state are stored already."""
        owners = {work.symbol: work for work in works}
        keys = [(work.symbol, timestamp) for work in works for timestamp in work.not_newer()]
        parts = chunks(keys, BATCH_GET_MAX_KEYS)

        def read(part: Sequence[Key]) -> None:
            for symbol, timestamp in self._stores.stored_quotes(part):
                owners[symbol].stored.add(timestamp)

        for part, error in zip(parts, self._calls.run([partial(read, part) for part in parts]), strict=True):
            if error is not None:
                for symbol, _ in part:
                    owners[symbol].fail(error)

    def _fold(self, works: Sequence[SymbolWork]) -> None:
        for work in works:
            assert work.fold is not None  # noqa: S101 - for the type checker
            assert work.view is not None  # noqa: S101 - for the type checker
            try:
                segment = work.fold.fold(work.quotes[work.offset :], work.stored)
            except Exception as exc:
                log.exception("fold_failed", symbol=work.symbol)
                work.fail(SymbolStateError(f"{work.symbol}: its quotes cannot be folded: {exc!r}"))
                continue
            work.segment = segment
            if work.view.state.revision != segment.base_revision:
                work.commit = build_commit(work.view, segment, self._config)
            else:
                # Nothing but duplicates.
                self._tally.duplicates += segment.duplicates
                work.offset += segment.consumed

    def _commit(self, works: Sequence[SymbolWork]) -> None:
        while works:
            groups = _groups(works)
            jobs = [partial(self._stores.commit, _writes_of(group)) for group in groups]
            again: list[SymbolWork] = []
            for group, error in zip(groups, self._calls.run(jobs), strict=True):
                if isinstance(error, TransactionCanceledError):
                    again += _after_conflict(group, error)
                elif error is not None:
                    for work in group:
                        work.fail(error)
            works = again

    def _settle(self, works: Sequence[SymbolWork]) -> None:
        commits = [work.commit for work in works if work.commit is not None]
        for work, error in zip(works, self._effects.write([commit.redo for commit in commits]), strict=True):
            if error is not None:
                work.fail(error)
        settled = [work for work in works if work.error is None]
        clears = [partial(self._stores.clear_redo, work.symbol, _revision(work)) for work in settled]
        for work, error in zip(settled, self._calls.run(clears), strict=True):
            if error is not None:
                work.fail(error)
            else:
                self._done(work)

    def _done(self, work: SymbolWork) -> None:
        segment = work.segment
        assert segment is not None  # noqa: S101 - for the type checker
        self._tally.stored += len(segment.accepted)
        self._tally.late += segment.late
        self._tally.duplicates += segment.duplicates
        self._tally.alerts += segment.alerts
        work.offset += segment.consumed
        work.segment = work.commit = None


def _after_conflict(group: Sequence[SymbolWork], error: TransactionCanceledError) -> list[SymbolWork]:
    """Sort a cancelled transaction: who moved on is read anew, the others are committed again."""
    failed = list(error.failed)
    again: list[SymbolWork] = []
    for work in group:
        assert work.commit is not None  # noqa: S101 - for the type checker
        count = len(work.commit.writes)
        own, failed = failed[:count], failed[count:]
        # An emulator that gives no reasons leaves everybody suspect.
        if not error.failed or any(own):
            work.view = work.fold = work.segment = work.commit = None
            work.stored = set()
            work.conflicts += 1
            if work.conflicts > MAX_CONFLICTS:
                work.fail(error)
        else:
            again.append(work)
    return again


def _groups(works: Sequence[SymbolWork]) -> list[list[SymbolWork]]:
    groups: list[list[SymbolWork]] = []
    items = size = 0
    for work in works:
        assert work.commit is not None  # noqa: S101 - for the type checker
        count, size_bytes = len(work.commit.writes), work.commit.size_bytes
        if not groups or items + count > TRANSACTION_MAX_ITEMS or size + size_bytes > TRANSACTION_MAX_BYTES:
            groups.append([])
            items = size = 0
        groups[-1].append(work)
        items += count
        size += size_bytes
    return groups


def _writes_of(group: Sequence[SymbolWork]) -> list[TransactionWrite]:
    return [write for work in group if work.commit is not None for write in work.commit.writes]


def _revision(work: SymbolWork) -> int:
    assert work.commit is not None  # noqa: S101 - for the type checker
    return work.commit.redo.revision


def _fail_parts(parts: Sequence[Sequence[SymbolWork]], errors: Sequence[StoreError | None]) -> None:
    for part, error in zip(parts, errors, strict=True):
        if error is not None:
            for work in part:
                work.fail(error)
