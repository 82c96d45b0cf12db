"""`make infra-check` says what it did, and fails when something fails."""

import sys
from pathlib import Path

import pytest

from scripts.infra_check.__main__ import Report
from scripts.infra_check.hcl import INFRA, blocks, literals
from scripts.infra_check.readmes import BEGIN, END, tables, with_tables


def test_a_command_that_fails_is_a_failure_with_its_output(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    report.run("good", [sys.executable, "-c", "pass"])
    report.run("bad", [sys.executable, "-c", "print('the reason'); raise SystemExit(3)"])
    report.skip("absent", "not installed")
    assert (report.checked, report.failed, report.unchecked) == (["good"], ["bad"], ["absent: not installed"])
    assert "the reason" in capsys.readouterr().out


def test_blocks_are_read_with_their_labels_and_plain_values(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(
        '# a comment\nresource "aws_x" "this" {\n  name = "n"\n  size = 3\n  on = true\n  ref = var.r\n'
        '  inner {\n    list = ["a", var.b]\n  }\n}\nlocals {\n  k = "v"\n}\n'
    )
    found = list(blocks(tmp_path))
    assert [block.address for block in found] == ["resource.aws_x.this", "locals"]
    body = found[0].body
    assert (body["name"], body["size"], body["on"], body["ref"]) == ("n", 3, True, "${var.r}")
    assert list(literals(body["inner"])) == ["a", "${var.b}"]


def test_readme_tables_take_the_place_between_the_markers(tmp_path: Path) -> None:
    (tmp_path / "variables.tf").write_text(
        'variable "a" {\n  description = "One | two."\n  type = list(string)\n  default = ["x"]\n}\n'
        'variable "b" {\n  description = "Must be given."\n  type = string\n}\n'
    )
    (tmp_path / "outputs.tf").write_text('output "c" {\n  description = "An answer."\n  value = var.a\n}\n')
    text = with_tables(f"# m\n{BEGIN}\nold\n{END}\ntail\n", tmp_path)
    assert "old" not in text
    assert text.endswith(f"{END}\ntail\n")
    assert '| `a` | `list(string)` | `["x"]` | One \\| two. |' in text
    assert "| `b` | `string` | required | Must be given. |" in text
    assert "| `c` | An answer. |" in text
    with pytest.raises(ValueError, match="lacks"):
        with_tables("# no markers", tmp_path)


def test_defaults_are_shown_as_terraform_writes_them() -> None:
    text = tables(INFRA)
    assert "| `schedule` | `object` | `null` |" in text
    assert '| `symbols` | `list(string)` | `["AAPL"]` |' in text
    assert "| `spot` | `bool` | `false` |" in text
    assert "| `tags` | `map(string)` | `{}` |" in text
