"""The Kinesis → Lambda contract on one machine: AWS's event source mapping, complete (docs/event-source.md)."""

from stockstream.eventsource.checkpoints import CheckpointStore, FileCheckpointStore, MemoryCheckpointStore
from stockstream.eventsource.config import EventSourceConfig, StartingPosition
from stockstream.eventsource.destinations import FailureDestination, S3Destination, SnsDestination, SqsDestination
from stockstream.eventsource.errors import (
    DestinationUnavailableError,
    EventSourceConfigError,
    EventSourceError,
    InvokerUnavailableError,
)
from stockstream.eventsource.invokers.base import InvocationResult, Invoker
from stockstream.eventsource.invokers.lambda_api import LambdaApiInvoker
from stockstream.eventsource.invokers.local_function import LocalFunction
from stockstream.eventsource.invokers.subprocess_pool import SubprocessInvoker
from stockstream.eventsource.runner import EventSourceRunner
from stockstream.eventsource.stats import EventSourceStats, ShardStats

__all__ = [
    "CheckpointStore",
    "DestinationUnavailableError",
    "EventSourceConfig",
    "EventSourceConfigError",
    "EventSourceError",
    "EventSourceRunner",
    "EventSourceStats",
    "FailureDestination",
    "FileCheckpointStore",
    "InvocationResult",
    "Invoker",
    "InvokerUnavailableError",
    "LambdaApiInvoker",
    "LocalFunction",
    "MemoryCheckpointStore",
    "S3Destination",
    "ShardStats",
    "SnsDestination",
    "SqsDestination",
    "StartingPosition",
    "SubprocessInvoker",
]
