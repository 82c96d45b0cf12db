"""`stockstream provision`: the resources of local mode, in the emulator that AWS_ENDPOINT_URL names."""

import asyncio
import os
from dataclasses import asdict
from pathlib import Path

import click

from stockstream.errors import SettingsError
from stockstream.settings import Settings, load_settings


@click.command()
@click.option("--shards", type=click.IntRange(1, 500), default=2, show_default=True, help="Shards of the stream.")
@click.option(
    "--function",
    "package",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="ZIP",
    help="Deploy the consumer from this zip as a function of the emulator's Lambda too, in place of `consume`.",
)
def provision(shards: int, package: Path | None) -> None:
    """Make stream, tables, bucket, topic and queues in an emulator; what exists stays as it is.

    Only for emulators: on AWS, Terraform owns the infrastructure (infra/).
    """
    settings = load_settings()
    if not os.environ.get("AWS_ENDPOINT_URL"):
        msg = (
            "AWS_ENDPOINT_URL is not set: `provision` is for emulators. "
            "Remedy: set it (http://localhost:4566), or use Terraform on AWS (docs/deploy.md)"
        )
        raise SettingsError(msg)
    import structlog  # noqa: PLC0415 - a wrong setting is told at once

    from stockstream.observability.logs import configure_logging  # noqa: PLC0415

    configure_logging(settings.log_level, settings.log_format)
    made = asyncio.run(_provision(settings, shards, package))
    structlog.get_logger("stockstream.provision").info("resources_ready", **made)


async def _provision(settings: Settings, shards: int, package: Path | None) -> dict[str, str]:
    from stockstream.aws import resolve_aws  # noqa: PLC0415 - a wrong setting is told at once
    from stockstream.local import provision as provisioning  # noqa: PLC0415
    from stockstream.local.consumer import handler_environment  # noqa: PLC0415
    from stockstream.local.function import deploy_function  # noqa: PLC0415

    aws = resolve_aws(settings.region)
    names = provisioning.resource_names(settings, shards=shards)
    resources = await provisioning.provision(aws, names)
    made: dict[str, str] = asdict(resources)
    if package is not None:
        environment = handler_environment(
            aws,
            names,
            alerts_topic_arn=resources.alerts_topic_arn,
            anomaly_threshold_percent=settings.anomaly_threshold_percent,
            retention_days=settings.retention_days,
            log_level=settings.log_level,
        )
        made["function_arn"] = await deploy_function(aws, package, environment, resources)
    return made
