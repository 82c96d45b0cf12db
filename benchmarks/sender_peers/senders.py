"""One adapter for each sender: `send(batch)` takes (symbol, quote) pairs, `finish()` returns when all is answered.

Each is used as its documentation shows, with the settings that make it fastest without changing what it promises.
Standard library at the top: what a sender needs is imported when it is chosen, from the environment it runs in.
"""

# ruff: noqa: ARG002, ASYNC110, BLE001, RUF012 (each peer is used as its own documentation shows)
# Most peers have no types, and none is installed where mypy runs.
# mypy: ignore-errors
import asyncio
import contextlib
import itertools
import pathlib

from benchmarks.sender_peers.floor import Floor

STREAM = "stockstream"
REGION = "us-east-1"
_CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}


def _boto3_client(url, retries=True):
    import boto3
    from botocore.config import Config

    # Retries of whole calls as they come; "legacy" gives up after five, like everybody's default.
    config = Config(max_pool_connections=16, retries={"max_attempts": 4 if retries else 0})
    return boto3.client("kinesis", endpoint_url=url, config=config, **_CREDENTIALS)


class CallerAlone:
    """No sender at all: what the caller's clock and its making of quotes cost by themselves."""

    async def start(self, url, **_):
        pass

    async def send(self, batch):
        pass

    async def finish(self):
        pass


class Boto3PutRecord:
    """boto3 `put_record` per quote."""

    async def start(self, url, **_):
        self._client = _boto3_client(url)

    async def send(self, batch):
        for symbol, data in batch:
            with contextlib.suppress(Exception):
                self._client.put_record(StreamName=STREAM, PartitionKey=symbol, Data=data)

    async def finish(self):
        self._client.close()


class Boto3PutRecords:
    """boto3 `put_records` of 500, failed entries ignored, as most code does it."""

    async def start(self, url, **_):
        self._client = _boto3_client(url)

    async def send(self, batch):
        for start in range(0, len(batch), 500):
            entries = [{"PartitionKey": symbol, "Data": data} for symbol, data in batch[start : start + 500]]
            with contextlib.suppress(Exception):
                self._client.put_records(StreamName=STREAM, Records=entries)

    async def finish(self):
        self._client.close()


class AiobotocorePutRecords:
    """aiobotocore `put_records` of 500, 8 in flight, failed entries sent again."""

    async def start(self, url, **_):
        from aiobotocore.config import AioConfig
        from aiobotocore.session import get_session

        self._stack = contextlib.AsyncExitStack()
        config = AioConfig(max_pool_connections=16)
        self._client = await self._stack.enter_async_context(
            get_session().create_client("kinesis", endpoint_url=url, config=config, **_CREDENTIALS)
        )
        self._slots = asyncio.Semaphore(8)
        self._tasks = set()

    async def send(self, batch):
        for start in range(0, len(batch), 500):
            entries = [{"PartitionKey": symbol, "Data": data} for symbol, data in batch[start : start + 500]]
            await self._slots.acquire()
            task = asyncio.create_task(self._put(entries))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _put(self, entries):
        try:
            for attempt in itertools.count():
                try:
                    answer = await self._client.put_records(StreamName=STREAM, Records=entries)
                except Exception:
                    await asyncio.sleep(min(5.0, 0.1 * 2**attempt))
                    continue
                if not answer["FailedRecordCount"]:
                    return
                entries = [e for e, r in zip(entries, answer["Records"], strict=True) if "ErrorCode" in r]
                await asyncio.sleep(min(5.0, 0.1 * 2**attempt))
        finally:
            self._slots.release()

    async def finish(self):
        while self._tasks:
            await asyncio.gather(*self._tasks)
        await self._stack.aclose()


class AsyncKinesis:
    """async-kinesis 3.0.1 with its default processor."""

    processor = "StringProcessor"

    async def start(self, url, **_):
        import kinesis.processors
        from aiobotocore.session import AioSession
        from kinesis import Producer

        session = AioSession()
        session.set_credentials("test", "test")
        self._producer = Producer(
            STREAM,
            session=session,
            endpoint_url=url,
            region_name=REGION,
            processor=getattr(kinesis.processors, self.processor)(),
        )
        await self._producer.__aenter__()

    async def send(self, batch):
        for symbol, data in batch:
            await self._put(symbol, data)

    async def _put(self, symbol, data):
        await self._producer.put(data.decode(), partition_key=symbol)

    async def finish(self):
        await self._producer.flush()
        await self._producer.__aexit__(None, None, None)


class AsyncKinesisKpl(AsyncKinesis):
    """async-kinesis 3.0.1 with KPL aggregation, which refuses partition keys."""

    processor = "KPLStringProcessor"

    async def _put(self, symbol, data):
        await self._producer.put(data.decode())


class AwsKinesisAgg:
    """aws_kinesis_agg's aggregator and boto3, five aggregates a call; one PUT payload unit each, as ours."""

    aggregate_bytes = 25 * 1024
    call_aggregates = 5

    async def start(self, url, **_):
        from aws_kinesis_agg.aggregator import RecordAggregator

        self._client = _boto3_client(url)
        self._aggregator = RecordAggregator(self.aggregate_bytes)
        self._entries = []

    async def send(self, batch):
        for symbol, data in batch:
            full = self._aggregator.add_user_record(symbol, data)
            if full is not None:
                self._add(full)

    def _add(self, aggregate):
        key, _, data = aggregate.get_contents()
        self._entries.append({"PartitionKey": key, "Data": data})
        if len(self._entries) == self.call_aggregates:
            self._put()

    def _put(self):
        entries, self._entries = self._entries, []
        while entries:
            try:
                answer = self._client.put_records(StreamName=STREAM, Records=entries)
            except Exception:
                return
            entries = [e for e, r in zip(entries, answer["Records"], strict=True) if "ErrorCode" in r]

    async def finish(self):
        last = self._aggregator.clear_and_get()
        if last is not None:
            self._add(last)
        self._put()
        self._client.close()


class AwsKinesisAggLarge(AwsKinesisAgg):
    """The same with aggregates of 1 MB, its own default but for the keys, which Kinesis counts too."""

    aggregate_bytes = 1_000_000
    call_aggregates = 4


class Aiokpl:
    """aiokpl 0.2."""

    async def start(self, url, **_):
        from aiokpl import Config, Producer

        self._producer = Producer(
            Config(region=REGION, endpoint_url=url, aws_access_key_id="test", aws_secret_access_key="test")
        )
        await self._producer.__aenter__()
        self._outcomes = []

    async def send(self, batch):
        for symbol, data in batch:
            outcome = await self._producer.put_record(stream=STREAM, partition_key=symbol, data=data)
            self._outcomes.append(outcome)

    async def finish(self):
        await self._producer.flush()
        for outcome in self._outcomes:
            with contextlib.suppress(Exception):
                await outcome.wait()
        await self._producer.__aexit__(None, None, None)


class KinesisProducer:
    """kinesis-producer 0.2: quotes joined by newlines, random partition keys, not KPL; one PUT payload unit each."""

    buffer_bytes = 25_000

    async def start(self, url, **_):
        import os

        os.environ |= {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        from kinesis_producer import KinesisProducer as Producer

        self._producer = Producer(
            config={
                "aws_region": REGION,
                "stream_name": STREAM,
                "buffer_size_limit": self.buffer_bytes,
                "buffer_time_limit": 0.2,
                "kinesis_concurrency": 1,
                "kinesis_max_retries": 10,
                "record_delimiter": b"\n",
            }
        )

    async def send(self, batch):
        for _, data in batch:
            self._producer.send(data)
        # Its queue has no bound; a caller that outruns it would measure the queue.
        while self._producer._queue.qsize() > 20_000:
            await asyncio.sleep(0.005)

    async def finish(self):
        self._producer.close()
        await asyncio.get_running_loop().run_in_executor(None, self._producer.join)


class KinesisProducerLarge(KinesisProducer):
    """The same with the buffer of its README."""

    buffer_bytes = 100_000


class Stockstream:
    """Ours, in memory, with CBOR: what it speaks to AWS."""

    settings: dict = {"encoding": "cbor"}

    async def start(self, url, outbox_dir=None, stream=STREAM, **_):
        from stockstream.aws import AwsConfig
        from stockstream.sender import Sender, SenderConfig

        settings = dict(self.settings)
        if settings.pop("on_disk", False):
            settings["outbox_dir"] = pathlib.Path(outbox_dir)
        self._sender = Sender(SenderConfig(stream=stream, **settings), AwsConfig(REGION, url, "test", "test"))
        await self._sender.__aenter__()

    async def ready(self):
        while not self._sender.stats.shards:
            await asyncio.sleep(0.02)

    async def send(self, batch):
        await self._sender.send(batch)

    async def finish(self):
        await self._sender.drain(600)
        await self._sender.__aexit__(None, None, None)


class StockstreamOutbox(Stockstream):
    """Ours, with the outbox on disk."""

    settings = {"encoding": "cbor", "on_disk": True}


class StockstreamJson(Stockstream):
    """Ours, with JSON: what it speaks to anything but AWS."""

    settings = {"encoding": "json"}


class StockstreamJsonOutbox(Stockstream):
    """Ours as a laptop runs it: JSON, and the outbox on disk."""

    settings = {"encoding": "json", "on_disk": True}


class StockstreamAiobotocore(Stockstream):
    """Ours, over aiobotocore."""

    settings = {"transport": "aiobotocore"}


CONTROL, FLOOR = "caller alone", "floor"
SENDERS = {
    CONTROL: CallerAlone,
    FLOOR: Floor,
    "stockstream": Stockstream,
    "stockstream, outbox on disk": StockstreamOutbox,
    "stockstream, JSON": StockstreamJson,
    "stockstream, JSON, outbox on disk": StockstreamJsonOutbox,
    "stockstream over aiobotocore": StockstreamAiobotocore,
    "boto3 put_record": Boto3PutRecord,
    "boto3 put_records": Boto3PutRecords,
    "aiobotocore put_records, retried": AiobotocorePutRecords,
    "async-kinesis": AsyncKinesis,
    "async-kinesis KPL": AsyncKinesisKpl,
    "aws_kinesis_agg": AwsKinesisAgg,
    "aws_kinesis_agg, 1 MB": AwsKinesisAggLarge,
    "aiokpl": Aiokpl,
    "kinesis-producer": KinesisProducer,
    "kinesis-producer, 100 kB": KinesisProducerLarge,
}
OURS = tuple(name for name in SENDERS if name.startswith("stockstream"))
# The same peers at another setting: measured for their rate alone.
SECOND_SETTINGS = ("aws_kinesis_agg, 1 MB", "kinesis-producer, 100 kB")
PEERS = tuple(name for name in SENDERS if name not in (*OURS, *SECOND_SETTINGS, CONTROL, FLOOR))
