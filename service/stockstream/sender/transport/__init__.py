"""How a request gets to Kinesis."""

from stockstream.sender.transport.base import EntryResult, Transport

__all__ = ["EntryResult", "Transport"]
