"""`stockstream local`: emulator, resources, service and consumer in one process tree, watched and counted."""

import asyncio
import os
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from stockstream.aws import AwsConfig, open_client
from stockstream.errors import only_error
from stockstream.eventsource import EventSourceRunner
from stockstream.local.alerts_inbox import AlertsInbox
from stockstream.local.archive_count import ArchiveCount
from stockstream.local.consumer import handler_environment, open_consumer
from stockstream.local.consumer_log import ConsumerLog
from stockstream.local.dashboard import open_dashboard
from stockstream.local.emulator import Emulator, choose_port, keep_off_proxies, run_emulator
from stockstream.local.emulator_environment import find_emulator_python
from stockstream.local.followed import Followed
from stockstream.local.look import look_command
from stockstream.local.notifier import notifying
from stockstream.local.options import LOCAL_REGION, LocalOptions
from stockstream.local.presenters import Presenter, make_presenter
from stockstream.local.provision import ResourceNames, Resources, provision, resource_names
from stockstream.local.run import LocalRun
from stockstream.local.state import LocalState, open_state, show_bytes
from stockstream.local.summary import Summary, check_summary_path
from stockstream.local.tally import RunTally
from stockstream.local.verify import count_quarantined, verify
from stockstream.pipeline.service import Service, ServiceReport
from stockstream.pipeline.signals import stop_on_signals
from stockstream.settings import LOCAL_CREDENTIALS, LocalStack, Settings
from stockstream.source_kinds import source_kind
from stockstream.sources.factory import check_source, choose_source
from stockstream.sources.watchlist import users_watchlist

# A consumer that has made no progress for this long after the source has ended will not make any.
_DRAIN_STALL_SECONDS: Final = 60.0
_DRAIN_CHECK_SECONDS: Final = 0.5

log = structlog.get_logger("stockstream.local")


async def run_local(settings: Settings, options: LocalOptions) -> int:
    """Run the whole pipeline on this machine and return the exit code: 0 only if nothing was lost.

    Raises:
        StockstreamError: a part cannot be started, or broke; the message says which and the remedy.
    """
    names = resource_names(settings)
    # What can be seen to be wrong is said at once, not after the emulator has started.
    await check_source(settings)
    if options.summary_path is not None:
        check_summary_path(options.summary_path)
    keep_off_proxies(os.environ)
    # Now, and not when a stop is only noted: it may have to be installed first.
    await asyncio.to_thread(find_emulator_python, os.environ)
    with open_state(options.state_dir, fresh=options.fresh) as state:
        told = state.set_old_aside(options.keep_days, datetime.now(UTC))
        presenter = make_presenter(settings, options, state)
        presenter.say(told or f"State: {state.root}, {show_bytes(state.size_bytes)}; --fresh discards it")
        settings, simulated_because = await _with_local_defaults(settings, state)
        async with AsyncExitStack() as stack:
            stop = asyncio.Event()
            stack.enter_context(stop_on_signals(stop))
            region = settings.region or LOCAL_REGION
            emulator = await stack.enter_async_context(
                run_emulator(state.root, choose_port(options.endpoint_port), region=region)
            )
            # Fixed credentials: whatever account the user's environment names is never spoken to.
            aws = AwsConfig(region, emulator.endpoint_url, *LOCAL_CREDENTIALS)
            resources = await provision(aws, names)
            _stack(state, aws, names, resources, settings).write()
            log.info("resources_ready", endpoint_url=emulator.endpoint_url, region=region, stream=names.stream)
            local = _Local(
                settings=settings.model_copy(update=_of_state(settings, state, options)),
                options=options,
                state=state,
                names=names,
                emulator=emulator,
                aws=aws,
                resources=resources,
                simulated_because=simulated_because,
            )
            return await local.run(stop, presenter)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Local:
    settings: Settings
    options: LocalOptions
    state: LocalState
    names: ResourceNames
    emulator: Emulator
    aws: AwsConfig
    resources: Resources
    simulated_because: str

    async def run(self, stop: asyncio.Event, presenter: Presenter) -> int:
        """Run until the source ends or `stop` is set, drain every stage, count what arrived, and say so."""
        quarantined_before = await count_quarantined(self.aws, self.names.archive_bucket)
        async with AsyncExitStack() as stack:
            run = await self._open(stack, presenter, stop)
            topic_arn = self.resources.alerts_topic_arn
            await stack.enter_async_context(notifying(self.aws, topic_arn, run.consumer_log.on_line))
            run.page_url = await stack.enter_async_context(open_dashboard(self.aws, run, topic_arn))
            presenter.say(f"The page: {run.page_url}    Look inside: {run.look_command}")
            consumer_stop = asyncio.Event()
            try:
                async with asyncio.TaskGroup() as group:
                    consuming = group.create_task(run.runner.run(consumer_stop))
                    looking = [group.create_task(run.look()), group.create_task(run.archive.run())]
                    async with presenter.watching(run):
                        report, stalled = await self._flow(run, stop)
                        elapsed_seconds = time.monotonic() - run.started_at
                        run.phase = "checking"
                        summary = await self._summarise(run, report, elapsed_seconds, quarantined_before, stalled)
                        run.phase = "done"
                    self._show(presenter, summary, run.look_command)
                    if self.options.keep_running and not stop.is_set():
                        await self._keep_running(run, stop, presenter)
                    consumer_stop.set()
                    await consuming
                    for task in looking:
                        task.cancel()
            except BaseExceptionGroup as group_error:
                raise only_error(group_error) or group_error from group_error
        return summary.exit_code

    async def _open(self, stack: AsyncExitStack, presenter: Presenter, stop: asyncio.Event) -> LocalRun:
        settings, names = self.settings, self.names
        environment = handler_environment(
            self.aws,
            names,
            alerts_topic_arn=self.resources.alerts_topic_arn,
            anomaly_threshold_percent=settings.anomaly_threshold_percent,
            retention_days=settings.retention_days,
            log_level=settings.log_level,
        )
        consumer_log = stack.enter_context(ConsumerLog(self.state.root / "consumer.log"))
        runner = await stack.enter_async_context(
            open_consumer(
                self.aws,
                stream=names.stream,
                environment=environment,
                failed_batches_queue_url=self.resources.failed_batches_queue_url,
                checkpoints_dir=self.state.checkpoints_dir,
                on_log=consumer_log.on_line,
                shards=names.shards,
            )
        )
        sqs = await stack.enter_async_context(open_client(self.aws, "sqs"))
        archive = ArchiveCount(await stack.enter_async_context(open_client(self.aws, "s3")), names.archive_bucket)
        await archive.begin()
        tally = RunTally()
        # A health port that nobody asked for must not keep the demonstration from starting.
        health = "health_port" in settings.model_fields_set
        return LocalRun(
            settings=settings,
            emulator=self.emulator,
            service=Service(settings, aws=self.aws, observers=[tally], health=health),
            runner=runner,
            inbox=AlertsInbox(sqs, self.resources.alerts_inbox_queue_url, presenter.on_alert),
            consumer_log=consumer_log,
            tally=tally,
            archive=archive,
            stop=stop,
            followed=Followed(settings.symbols if source_kind(settings.source).follows_watchlist else None),
            look_command=look_command(self.state.root),
            simulated_because=self.simulated_because,
        )

    async def _flow(self, run: LocalRun, stop: asyncio.Event) -> tuple[ServiceReport, str | None]:
        inbox_stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(run.inbox.run(inbox_stop))
            timer = None
            if self.options.for_seconds is not None:
                timer = asyncio.get_running_loop().call_later(self.options.for_seconds, stop.set)
            report = await run.service.run(stop)
            if timer is not None:
                timer.cancel()
            run.phase = "draining"
            stalled = await _drained_or_stalled(run.runner)
            inbox_stop.set()
            await listening
        return report, stalled

    def _show(self, presenter: Presenter, summary: Summary, look: str) -> None:
        presenter.show_summary(summary)
        presenter.say(f"State: {self.state.root}, {show_bytes(self.state.size_bytes)}; kept {self._kept()}")
        presenter.say(f"Look inside: {look}")
        if self.options.summary_path is not None:
            summary.write(self.options.summary_path)

    def _kept(self) -> str:
        days = self.options.keep_days
        return f"{days} days (--keep-days)" if days else "for ever (--keep-days 0)"

    async def _keep_running(self, run: LocalRun, stop: asyncio.Event, presenter: Presenter) -> None:
        """Leave emulator, consumer and alerts inbox up: what is put into the stream is still processed."""
        presenter.say(f"The emulator stays up at {self.aws.endpoint_url} (region {self.aws.region}). Ctrl-C ends it.")
        inbox_stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(run.inbox.run(inbox_stop))
            await stop.wait()
            await _drained_or_stalled(run.runner)
            inbox_stop.set()

    async def _summarise(
        self,
        run: LocalRun,
        report: ServiceReport,
        elapsed_seconds: float,
        quarantined_before: int,
        error: str | None,
    ) -> Summary:
        names, tally = self.names, run.tally
        found = await verify(
            self.aws, quotes_table=names.quotes_table, bucket=names.archive_bucket, accepted=tally.accepted_ids
        )
        source = run.service.source
        error = error or report.failure
        waiting = report.sender.unsent
        if waiting and error is None and source is not None and source.label == "replay":
            error = f"{waiting} quotes of the replay wait in the outbox, not sent; the next run sends them first"
        if error is None and tally.accepted and not found.stored and not waiting:
            error = (
                f"none of {tally.accepted} accepted quotes was stored; {found.quarantined - quarantined_before} are "
            )
            error += "in quarantine, with their reasons"
        return Summary(
            source=source.label if source else self.settings.source,
            is_market_data=source.is_market_data if source else False,
            polled=report.counters.polled,
            unchanged=report.counters.unchanged,
            rejected=report.counters.rejected,
            accepted=tally.accepted,
            late=report.counters.late,
            sent=report.sender.sent,
            stored=found.stored,
            archived=found.archived,
            lost=max(0, found.lost - waiting),
            doubled=found.doubled,
            waiting=waiting,
            alerts=run.inbox.received,
            quarantined=found.quarantined - quarantined_before,
            discarded=run.runner.stats.records_discarded,
            elapsed_seconds=round(elapsed_seconds, 3),
            endpoint_url=self.emulator.endpoint_url,
            region=self.aws.region,
            resources={
                "stream": names.stream,
                "quotes_table": names.quotes_table,
                "candles_table": names.candles_table,
                "alerts_table": names.alerts_table,
                "archive_bucket": names.archive_bucket,
                "alerts_topic_arn": self.resources.alerts_topic_arn,
                "failed_batches_queue_url": self.resources.failed_batches_queue_url,
            },
            error=error,
        )


def _of_state(settings: Settings, state: LocalState, options: LocalOptions) -> dict[str, Any]:
    changes: dict[str, Any] = {"outbox_dir": state.outbox_dir}
    if options.keep_days and "ledger_keep_days" not in settings.model_fields_set:
        # Twice: what is set aside after so many days is kept as long again.
        changes["ledger_keep_days"] = 2 * options.keep_days
    return changes


def _stack(
    state: LocalState, aws: AwsConfig, names: ResourceNames, resources: Resources, settings: Settings
) -> LocalStack:
    follows = source_kind(settings.source).follows_watchlist
    watchlist = settings.symbols.file if follows else None
    return LocalStack(
        state_dir=state.root,
        endpoint_url=aws.endpoint_url or "",
        region=aws.region,
        names={
            "source": settings.source,
            "stream": names.stream,
            "quotes_table": names.quotes_table,
            "candles_table": names.candles_table,
            "alerts_table": names.alerts_table,
            "archive_bucket": names.archive_bucket,
            "alerts_topic_arn": resources.alerts_topic_arn,
            "failed_batches_queue_url": resources.failed_batches_queue_url,
        },
        symbols=settings.symbols.symbols if follows else (),
        watchlist=str(watchlist.resolve()) if watchlist is not None else "",
    )


async def _drained_or_stalled(runner: EventSourceRunner) -> str | None:
    """Wait for the runner to resolve everything; give up, with the reason, where nothing moves any more."""
    drained = asyncio.ensure_future(runner.drained())
    resolved, since = -1, time.monotonic()
    try:
        while True:
            done, _ = await asyncio.wait({drained}, timeout=_DRAIN_CHECK_SECONDS)
            if done:
                drained.result()
                return None
            stats = runner.stats
            now_resolved = stats.records_succeeded + stats.records_discarded
            if now_resolved != resolved:
                resolved, since = now_resolved, time.monotonic()
            elif time.monotonic() - since > _DRAIN_STALL_SECONDS:
                errors = {shard.last_error for shard in stats.shards.values() if shard.last_error}
                reason = f"the consumer made no progress for {_DRAIN_STALL_SECONDS:.0f} s: {'; '.join(errors)}"
                log.error("consumer_stalled", reason=reason)
                return reason
    finally:
        drained.cancel()


async def _with_local_defaults(settings: Settings, state: LocalState) -> tuple[Settings, str]:
    """Decide what the user left open (a simulated market moves every second, over a watchlist), and why it is one."""
    asked = settings.model_fields_set
    choice = await choose_source(settings)
    because = f"Yahoo: {choice.reason}" if choice.reason else "as asked (--source or STOCKSTREAM_SOURCE)"
    changes: dict[str, Any] = {"source": choice.name}
    kind = source_kind(choice.name)
    symbols = settings.symbols
    if kind.follows_watchlist and "symbols" not in asked:
        symbols = users_watchlist(state.root, kind)
    if symbols is not settings.symbols or symbols.file is not None:
        # Not otherwise: what is changed counts as asked for, and a replay follows what was asked for.
        changes["symbols"] = replace(symbols, takes_sighup=False)
    if kind.pace_of_a_look_seconds is not None and "poll_interval_seconds" not in asked:
        changes["poll_interval_seconds"] = kind.pace_of_a_look_seconds
    return settings.model_copy(update=changes), because
