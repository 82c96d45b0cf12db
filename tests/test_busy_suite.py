"""`make test-busy` says what was not green, and is not green itself then."""

import json
from pathlib import Path

import pytest

from scripts import busy_suite


@pytest.mark.long
def test_runs_that_fail_are_counted_and_end_it_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(busy_suite, "_DROP_CACHES", tmp_path / "none" / "drop_caches")
    monkeypatch.setattr(busy_suite, "_LOGS", busy_suite.ROOT / "build" / "busy" / "of-a-test")
    suite = tmp_path / "test_two.py"
    suite.write_text("def test_good(): pass\ndef test_bad(): assert False\n")

    code = busy_suite.main(["--runs", "2", "--loops", "0", "--json", str(tmp_path / "runs.json"), str(suite)])

    said = capsys.readouterr().out
    assert code == 1
    assert "page cache dropped: no, not allowed" in said
    assert "run 2: exit code 1, 1 failed, 1 passed in" in said
    assert "0 of 2 green" in said
    assert [run["code"] for run in json.loads((tmp_path / "runs.json").read_text())] == [1, 1]


@pytest.mark.long
def test_runs_that_are_green_end_it_with_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy_suite, "_DROP_CACHES", tmp_path / "drop_caches")
    monkeypatch.setattr(busy_suite, "_LOGS", busy_suite.ROOT / "build" / "busy" / "of-another")
    suite = tmp_path / "test_one.py"
    suite.write_text("def test_good(): pass\n")

    assert busy_suite.main(["--runs", "1", "--loops", "1", str(suite)]) == 0
    assert (tmp_path / "drop_caches").read_text() == "3"
