"""`make infra-apply` and `make aws-smoke`: whose fault something is, what is refused, and that the pages say so."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.aws_smoke.checks import CHECKS
from scripts.aws_smoke.context import FailedError, wait_for
from scripts.infra_apply import __main__ as infra_apply
from scripts.infra_apply.__main__ import Outcome, _report
from scripts.infra_apply.deployment import Problem
from scripts.infra_apply.emulators import NAMES
from scripts.infra_apply.faults import FAULTS, explain
from scripts.infra_check.hcl import ROOT

_QUERY = 'module.observability.aws_cloudwatch_query_definition.this["errors"]'


def test_what_an_emulator_lacks_is_its_own_fault_and_all_else_is_ours() -> None:
    lacks = Problem("apply", _QUERY, "api error InvalidOperationException: Unknown action: PutQueryDefinition")
    wrong = Problem("apply", "module.stream.aws_kinesis_stream.this", "InvalidArgumentException: no such mode")
    known, ours = explain("ministack", [lacks, wrong])
    assert [problem for met in known.values() for problem in met] == [lacks]
    assert ours == [wrong]


def test_one_emulators_fault_excuses_no_other_emulator_and_no_other_step() -> None:
    drift = Problem("plan", "module.network.aws_flow_log.this[0]", "delete/create")
    assert explain("ministack", [drift])[1] == []
    assert explain("moto", [drift])[1] == [drift]
    again = Problem("destroy", drift.address, drift.text)
    assert explain("ministack", [again])[1] == [again]


def test_a_fault_that_nothing_meets_fails_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert _report(Outcome("moto")) == 1
    assert capsys.readouterr().out.count("nothing meets it any more") == sum(
        fault.emulator == "moto" for fault in FAULTS
    )


def test_what_a_late_answer_makes_is_tried_once_more_and_all_else_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    late = Problem("apply", "module.operator.aws_iam_policy.rebuild", "409, EntityAlreadyExists: there is one")
    wrong = Problem("apply", "module.stream.aws_kinesis_stream.this", "InvalidArgumentException: no such mode")
    for problems, attempts in (([late], 2), ([wrong], 1), ([], 1)):
        made: list[Path] = []

        def attempt(_: str, emulator: str, folder: Path, problems: list[Problem] = problems) -> Outcome:
            made.append(folder)  # noqa: B023 - called within this turn
            return Outcome(emulator, problems=problems)

        monkeypatch.setattr(infra_apply, "_attempt", attempt)
        outcome = infra_apply._try("terraform", "moto", tmp_path / "moto")
        assert len(set(made)) == attempts
        # Met again, it is a failure like any other.
        assert outcome is not None
        assert outcome.problems == problems
    assert capsys.readouterr().out.count("once more") == 1


def test_every_fault_has_its_reason_and_patterns_that_compile() -> None:
    for fault in FAULTS:
        assert fault.emulator in NAMES
        assert len(fault.reason.split()) >= 3
        for pattern in (fault.address, fault.text, fault.forget):
            re.compile(pattern)


def test_every_check_names_what_it_decides_in_a_page_that_exists_and_the_page_names_the_check() -> None:
    table = (ROOT / "docs" / "aws-smoke.md").read_text(encoding="utf-8")
    for check in CHECKS:
        page, _, claim = check.decides.partition(": ")
        assert (ROOT / "docs" / page).is_file(), check.decides
        assert claim
        assert f"| {check.name} |" in table
        assert set(check.lacking) <= set(NAMES)
    assert len({check.name for check in CHECKS}) == len(CHECKS) >= 12


def test_without_consent_or_credentials_nothing_is_done() -> None:
    nowhere = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run(
        [sys.executable, "-m", "scripts.aws_smoke"], cwd=ROOT, env=nowhere, check=False, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "Remedy" in done.stderr or "terraform is not on PATH" in done.stderr


def test_a_wait_that_ends_in_nothing_says_what_was_waited_for() -> None:
    with pytest.raises(FailedError, match="no Parquet file within 0 s"):
        wait_for("Parquet file", 0, lambda: None)
