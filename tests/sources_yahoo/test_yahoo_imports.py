"""What importing costs: nothing of yfinance until somebody polls."""

import subprocess
import sys

from tests.patience import PATIENCE_SECONDS

HEAVY = ("yfinance", "pandas", "curl_cffi")


def test_nothing_that_the_command_line_imports_imports_yfinance() -> None:
    code = (
        "import sys, stockstream.cli._commands, stockstream.sources.factory, stockstream.sources.yahoo, "
        "stockstream.sources.yahoo_stream, stockstream.doctor\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )

    assert done.stdout.strip() == "[]"


def test_what_we_do_not_use_is_hidden_from_one_import_only() -> None:
    code = (
        "import importlib.util, sys\n"
        "from stockstream.sources.yahoo._memory import without_unused\n"
        "with without_unused():\n"
        "    try:\n"
        "        import lxml\n"
        "    except ImportError:\n"
        "        print('hidden')\n"
        "print('lxml' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )

    assert done.stdout.split() == ["hidden", "False"]
