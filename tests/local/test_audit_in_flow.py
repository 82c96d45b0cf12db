"""A healthy pipeline is clean while it flows; `python -m benchmarks.audit_in_flow` looks ten times."""

from pathlib import Path

import pytest

from benchmarks.audit_in_flow import measure


@pytest.mark.emulator
def test_audits_of_a_flowing_pipeline_find_nothing(tmp_path: Path) -> None:
    found = measure(tmp_path, 2)
    assert (found["clean"], found["said"], found["lost"]) == (2, [], 0)
    # It did flow: in the time of an audit something was stored.
    assert found["stored"] == sorted(set(found["stored"]))
