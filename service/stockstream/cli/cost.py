"""`stockstream cost`: the monthly bill, before it comes."""

import json

import click


@click.command()
@click.option("--symbols", type=click.IntRange(1, 100_000), default=10, show_default=True, metavar="N")
@click.option(
    "--interval", "poll_seconds", type=click.FloatRange(1, 3600), default=30.0, show_default=True, metavar="SECONDS",
    help="Between two polls; each is taken to bring a new quote of every symbol.",
)  # fmt: skip
@click.option("--region", default="us-east-1", show_default=True, help="Where it runs.")
@click.option(
    "--hours", type=click.FloatRange(1, 730), metavar="N",
    help="Hours a month in which it polls [default: 21 sessions of 6.5].",
)  # fmt: skip
@click.option("--design", type=click.Choice(["ours", "plain", "firehose"]), default="ours", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The lines as JSON.")
def cost(*, symbols: int, poll_seconds: float, region: str, hours: float | None, design: str, as_json: bool) -> None:
    """Say what a deployment costs a month, service by service, beside the plain way (docs/cost.md)."""
    from stockstream.cost import DESIGNS, HOURS, Scenario, check_region, render  # noqa: PLC0415

    check_region(region)
    case = Scenario("", symbols, poll_seconds)
    if hours is not None:
        # The task runs half an hour longer than each 6.5 hours of polls.
        case = Scenario("", symbols, poll_seconds, service_hours=min(HOURS, hours * 7 / 6.5), polled_hours=hours)
    click.echo(json.dumps(DESIGNS[design](case), indent=2) if as_json else render(case, design, region))
