"""A command whose imports stop at one of them, for tests of signals that come so early."""

_PROGRAM = """
import sys

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == {slow!r}:
            print("importing", flush=True)
            import time
            time.sleep(600)
        return None

sys.meta_path.insert(0, Slow())
sys.argv = {argv!r}
from stockstream.cli import main
main()
"""


def slow_import(slow: str, *arguments: str) -> str:
    """The program: prints "importing" when it comes to the module, and then stays there."""
    return _PROGRAM.format(slow=slow, argv=["stockstream", *arguments])
