"""The command line: parsing and calling, nothing else. One module a command; `_commands.py` registers them."""

import os
import signal
import sys
from types import FrameType

from stockstream.cli._interrupt import say_interrupted
from stockstream.exit_codes import ExitCode


def main() -> None:
    """Run the command line; a package that is not installed is one clear line that names the extra which has it."""
    # Before anything slow. The first process of a container has no default action: a SIGTERM that it does not handle is
    # dropped, and the stop ends in a SIGKILL.
    signal.signal(signal.SIGTERM, _end_at_once)
    # Raised in the middle of an import, KeyboardInterrupt is a traceback, or an ImportError of a library's.
    signal.signal(signal.SIGINT, _interrupted_at_once)
    needing, extra = "the command line", "service"
    try:
        # Imported late: the console script is there with every extra, click only with `service`.
        from stockstream.cli._commands import run_command_line  # noqa: PLC0415

        signal.signal(signal.SIGINT, signal.default_int_handler)
        needing, extra = "this command", "local"
        code = run_command_line()
    except ModuleNotFoundError as exc:
        package = (exc.name or "stockstream").split(".")[0]
        if package.startswith("stockstream"):
            raise
        line = f"stockstream: {needing} needs {package}. Remedy: pip install 'stockstream[{extra}]'"
        print(line, file=sys.stderr)  # noqa: T201 - the last words to a person
        code = ExitCode.USAGE
    sys.exit(code)


def _interrupted_at_once(_number: int, _frame: FrameType | None) -> None:
    os._exit(say_interrupted())


def _end_at_once(number: int, _frame: FrameType | None) -> None:
    """End as the default action would; what accepts data takes the signal over before it does."""
    os._exit(128 + number)
