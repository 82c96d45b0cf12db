"""`stockstream provision`: the resources of local mode, in the emulator that AWS_ENDPOINT_URL names."""

import asyncio
import json
import os
from dataclasses import asdict

import click

from stockstream.errors import SettingsError
from stockstream.settings import load_settings


@click.command()
@click.option("--shards", type=click.IntRange(1, 500), default=2, show_default=True, help="Shards of the stream.")
def provision(shards: int) -> None:
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
    from stockstream.aws import resolve_aws  # noqa: PLC0415 - a wrong setting is told at once
    from stockstream.local import provision as provisioning  # noqa: PLC0415

    names = provisioning.resource_names(settings, shards=shards)
    resources = asyncio.run(provisioning.provision(resolve_aws(settings.region), names))
    click.echo(json.dumps(asdict(resources), indent=2))
