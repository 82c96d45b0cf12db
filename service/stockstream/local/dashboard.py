"""The page of a local run: served by the run's own process, over the emulator's stores."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import structlog

from stockstream.alerting import open_desk
from stockstream.aws import AwsConfig
from stockstream.dashboard import access_from, serve_dashboard
from stockstream.errors import InputError
from stockstream.local.behind import Facts, facts_behind
from stockstream.local.notifier import receivers
from stockstream.local.stages import notices, stage_rows
from stockstream.local.view import StageRow, StageStatus
from stockstream.reading import open_market
from stockstream.reading.sync import names_of

if TYPE_CHECKING:
    from stockstream.local.run import LocalRun

log = structlog.get_logger("stockstream.local.dashboard")


@asynccontextmanager
async def open_dashboard(aws: AwsConfig, run: "LocalRun", alerts_topic_arn: str) -> AsyncIterator[str]:
    """Serve the page until the context ends; yields its address. A taken port that nobody asked for gives way.

    Raises:
        InputError: the address that was asked for cannot be bound.
        SettingsError: it would be open beyond loopback without a token.
    """
    settings = run.settings
    host, port = settings.dashboard_host, settings.dashboard_port
    access = access_from(settings, host)

    def pipeline() -> Mapping[str, Any]:
        behind = facts_behind(run)
        return {
            "stages": [_stage(stage, behind.get(stage.name, [])) for stage in stage_rows(run)],
            "notices": [{"text": notice.text, "bad": notice.status is StageStatus.FAILED} for notice in notices(run)],
        }

    async with AsyncExitStack() as stack:
        market = await stack.enter_async_context(open_market(aws, names_of(settings)))
        named = settings.model_copy(update={"alerts_topic_arn": alerts_topic_arn})
        desk = await stack.enter_async_context(open_desk(aws, named))

        async def serve(chosen: int) -> str:
            serving = serve_dashboard(
                market,
                access,
                host=host,
                port=chosen,
                anomaly_threshold_percent=Decimal(str(settings.anomaly_threshold_percent)),
                pipeline=pipeline,
                desk=desk,
                receivers=receivers(),
                poll_interval_seconds=settings.poll_interval_seconds,
            )
            return await stack.enter_async_context(serving)

        try:
            url = await serve(port)
        except InputError:
            if "dashboard_port" in settings.model_fields_set:
                raise
            url = await serve(0)
        log.info("page_ready", url=url)
        yield url


def _stage(stage: StageRow, behind: Facts) -> Mapping[str, Any]:
    good = stage.status in {StageStatus.OK, StageStatus.WAITING}
    facts = [("done", f"{stage.count:,}")]
    if stage.lag_seconds is not None:
        facts.append(("behind", f"{stage.lag_seconds:.1f} s"))
    text = stage.note or "flows"
    return {"name": stage.name, "count": stage.count, "good": good, "text": text, "facts": facts, "behind": behind}
