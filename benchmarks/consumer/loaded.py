"""The size of a process that has loaded a checkpoint of many symbols, taken a batch and written the checkpoint again.

python -m benchmarks.consumer.loaded URL SYMBOLS    (prints resident bytes; what the stub at the URL holds is loaded)
"""

import os
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.consumer.market import TOPIC_ARN, Market, environ_of
from stockstream_lambda.app import build_pipeline
from stockstream_lambda.clock import Deadline
from stockstream_lambda.config import Config
from stockstream_wire.storage import partitions_of


def main(url: str, symbols: int) -> None:
    config = Config(alerts_topic_arn=TOPIC_ARN)
    event = Market(symbols).poll()
    with closing(build_pipeline(config, environ_of(url))) as pipeline:
        for start in range(0, symbols, 1000):
            outcome = pipeline.process({"Records": event["Records"][start : start + 1000]})
            assert outcome.response == {"batchItemFailures": []}
        turn = pipeline.turn(datetime.now(UTC), Deadline())
        loaded = [pipeline.log_of(partition, turn) for partition in partitions_of(config.partitions)]
        for partition in loaded:
            partition.checkpoint()
        assert sum(len(partition.states) for partition in loaded) == symbols
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    print(pages * os.sysconf("SC_PAGE_SIZE"))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
