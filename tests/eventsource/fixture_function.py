"""A function for the invoker's tests: does what its event says. Runs in the invoker's process, not in the test's."""

import base64
import os
import sys
import time
from typing import Any

_invocations = 0


def handler(event: dict[str, Any], context: Any) -> Any:
    global _invocations  # noqa: PLW0603 - warm state is what is tested
    _invocations += 1
    match event.get("do"):
        case "raise":
            raise KeyError("no such quote")
        case "exit":
            os._exit(3)
        case "sleep":
            time.sleep(event["seconds"])
        case "print":
            sys.stdout.write("to stdout\n")
            sys.stderr.write("to stderr\n")
        case "unserialisable":
            return object()
        case "import":
            return __import__(event["module"]).__name__
        case "stdin":
            return sys.stdin.read()
        case "context":
            names = [
                name for name in dir(context) if not name.startswith("_") and name != "get_remaining_time_in_millis"
            ]
            return {name: getattr(context, name) for name in names} | {
                "remaining_ms": context.get_remaining_time_in_millis()
            }
        case "environment":
            return dict(os.environ)
    return {"invocations": _invocations, "pid": os.getpid()}


def fails_on_bad_records(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Names every record whose data starts with `bad`, and prints the data of the others."""
    failures = []
    for record in event["Records"]:
        data = base64.b64decode(record["kinesis"]["data"]).decode()
        if data.startswith("bad"):
            failures.append({"itemIdentifier": record["kinesis"]["sequenceNumber"]})
        elif not failures:
            sys.stdout.write(f"{record['kinesis']['partitionKey']} {data}\n")
    return {"batchItemFailures": failures}
