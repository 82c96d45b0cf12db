"""An ordered Kinesis producer that loses nothing it has accepted. Usable on its own; see docs/sender.md."""

from stockstream.outbox import Record
from stockstream.sender.admission import RejectedRecord
from stockstream.sender.config import SenderConfig
from stockstream.sender.sender import Sender
from stockstream.sender.stats import SenderStats

__all__ = ["Record", "RejectedRecord", "Sender", "SenderConfig", "SenderStats"]
