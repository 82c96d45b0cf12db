"""The sender as a library: everything a program needs to put records into Kinesis without losing any.

Run it against the emulator or any stream you may write to::

    AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test \
        .venv/bin/python examples/send_to_kinesis.py stockstream ./my-outbox
"""

# ruff: noqa: INP001, T201 (a script of its own, and it speaks to a person)
import asyncio
import json
import sys
from pathlib import Path

from stockstream.sender import Sender, SenderConfig


async def main(stream: str, outbox_dir: Path) -> None:
    config = SenderConfig(stream=stream, outbox_dir=outbox_dir)
    # Region, endpoint and credentials are found as the AWS tools find them; pass `aws=AwsConfig(...)` to say otherwise.
    async with Sender(config) as sender:
        for second in range(3):
            # (partition key, bytes): records of one key arrive in the order in which they are given.
            batch = [(sensor, json.dumps({"sensor": sensor, "second": second}).encode()) for sensor in ("a", "b", "c")]
            refused = await sender.send(batch)
            # From here on the batch is on disk: a kill -9, an outage, a reshard do not lose it.
            for record in refused:
                print(f"not accepted: {record.key}, {record.size_bytes} bytes, {record.reason}")
        left = await sender.drain(timeout_seconds=10)
        stats = sender.stats
        print(f"sent {stats.sent} of {stats.accepted}, {left} wait in {outbox_dir} for the next start")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
