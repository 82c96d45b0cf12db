"""A Kinesis endpoint that stores in memory, fails on demand, and knows what order, loss and duplicates are.

Run as a process of its own (`python -m benchmarks.null_kinesis`), so that its CPU time is not the sender's;
`NullKinesis` in `process` starts and asks it. During a run it only takes records apart as far as an answer needs; user
records are deaggregated and checked when the report is asked for, so that a fast sender does not wait for the checks.
"""

from benchmarks.null_kinesis.process import NullKinesis

__all__ = ["NullKinesis"]
