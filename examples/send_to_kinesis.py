"""The sender as a library: everything a program needs to put records into Kinesis without losing any.

It sends nine made-up quotes, labelled `simulated`, which the pipeline's consumer stores like any other. Run it against
the emulator of a `stockstream local`, or any stream you may write to::

    AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test \
        .venv/bin/python examples/send_to_kinesis.py stockstream ./my-outbox
"""

# ruff: noqa: INP001, T201 (a script of its own, and it speaks to a person)
import argparse
import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from stockstream.sender import Sender, SenderConfig
from stockstream_wire import Quote, encode_quote, format_timestamp

SYMBOLS = ("EXAMPLE-A", "EXAMPLE-B", "EXAMPLE-C")


def batches(now: datetime) -> Iterator[list[tuple[str, bytes]]]:
    """(Partition key, bytes), three at a time: records of one key arrive in the order in which they are given."""
    for second in range(3):
        price = Decimal(100) + second
        yield [
            (
                symbol,
                encode_quote(
                    Quote(
                        symbol=symbol,
                        timestamp=format_timestamp(now + timedelta(seconds=second)),
                        open=Decimal(100),
                        high=price,
                        low=Decimal(100),
                        price=price,
                        previous_close=Decimal(100),
                        volume=1000 + second,
                        exchange="SIM",
                        source="simulated",
                    )
                ),
            )
            for symbol in SYMBOLS
        ]


async def main(stream: str, outbox_dir: Path) -> None:
    config = SenderConfig(stream=stream, outbox_dir=outbox_dir)
    # Region, endpoint and credentials are found as the AWS tools find them; pass `aws=AwsConfig(...)` to say otherwise.
    async with Sender(config) as sender:
        for batch in batches(datetime.now(UTC) - timedelta(seconds=3)):
            refused = await sender.send(batch)
            # From here on the batch is on disk: a kill -9, an outage, a reshard do not lose it.
            for record in refused:
                print(f"not accepted: {record.key}, {record.size_bytes} bytes, {record.reason}")
        left = await sender.drain(timeout_seconds=10)
        stats = sender.stats
        print(f"sent {stats.sent} of {stats.accepted}, {left} wait in {outbox_dir} for the next start")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Send nine made-up quotes to a Kinesis stream, through the sender.")
    parser.add_argument("stream", help="name of the stream, such as stockstream")
    parser.add_argument("outbox_dir", type=Path, help="folder where accepted records wait for Kinesis; made if missing")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.stream, arguments.outbox_dir))
