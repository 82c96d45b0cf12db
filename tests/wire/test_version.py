"""The version is written down twice, for the zip has no metadata: both are one."""

import tomllib
from pathlib import Path

from stockstream_wire.version import USER_AGENT, VERSION


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
    assert f"stockstream/{VERSION}" == USER_AGENT
