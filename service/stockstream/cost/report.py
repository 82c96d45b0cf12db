"""A bill as text: line by line, the designs beside each other, what drives it and how to lower it."""

from stockstream.cost.model import DESIGNS, Scenario, lines
from stockstream.cost.prices import AS_OF

# The published promise of the pipeline's first description.
PUBLISHED: str = "1-2 USD a month"
_DRIVERS = 3
_REMEDIES = {
    "Kinesis: shards": "a shard is the floor; `stockstream local` has none, and one is enough up to 1 MB/s",
    "DynamoDB: writes": "a longer --interval, fewer symbols; provisioned_capacity in market hours",
    "DynamoDB: storage": "hot_retention_days: the archive keeps all of it, for cents",
    "DynamoDB: backup": "point-in-time recovery is a choice: `stockstream rebuild` makes the tables from the archive",
    "S3: puts, the log and its checkpoints": "a longer batch window of the consumer",
    "S3: puts": "an object for many quotes: the log (--design ours) or Firehose",
    "Kinesis: PUT units": "aggregation: 25 KB of quotes are one unit",
    "Lambda": "bigger batches; the consumer's stay within the free tier",
    "Fargate": "a schedule in market hours, spot; or run the service where you have a machine",
    "CloudWatch: metrics": "the first ten are free; drop what you do not look at",
    "Firehose": "it bills 5 KB a record, however small: aggregate, or leave it off",
}


def render(case: Scenario, design: str, region: str) -> str:
    """The bill of a design, beside the others."""
    bill = DESIGNS[design](case)
    whole = sum(bill.values())
    head = (
        f"{case.symbols:,} symbols every {case.poll_seconds:g} s, {case.polled_hours:,.0f} hours a month: "
        f"{case.quotes:,.0f} quotes a month ({region}, prices written down on {AS_OF}, without tax)"
    )
    rows = [head, "", f"{'USD a month, ' + design:<42}{'':>2}"]
    rows += [f"  {name:<40}{dollars:>10,.2f}" for name, dollars in bill.items() if dollars >= 0.005]
    rows += [f"  {'Sum':<40}{whole:>10,.2f}", "", "Beside it"]
    for other, lines_of in DESIGNS.items():
        total = sum(lines_of(case).values())
        rows.append(f"  {other:<40}{total:>10,.2f}  ({total / whole:.1f}x)")
    provisioned = sum(lines(case, provisioned=True).values())
    rows.append(f"  {'ours, provisioned in market hours':<40}{provisioned:>10,.2f}  ({provisioned / whole:.1f}x)")
    rows += ["", "What drives it, and how to lower it"]
    drivers = sorted(bill.items(), key=lambda line: -line[1])[:_DRIVERS]
    rows += [
        f"  {name} ({dollars / whole:.0%}): {_REMEDIES.get(name, 'little to be done')}" for name, dollars in drivers
    ]
    floor = bill.get("Kinesis: shards", 0.0)
    if whole > 2:
        rows += [
            "",
            f'The published "{PUBLISHED}" does not hold: a Kinesis shard alone is {floor:.2f} USD, and none is free.',
        ]
    rows.append("plain and firehose count no service, no alarms and no backup: all in their favour.")
    return "\n".join(rows)
