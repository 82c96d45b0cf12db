"""The version, and how we name ourselves to every service: one place for the service and the function.

The function's zip holds no package metadata to read it from; a test compares it with pyproject.toml.
"""

from typing import Final

VERSION: Final = "0.1.0"
USER_AGENT: Final = f"stockstream/{VERSION}"
