"""Run every check of `infra/` that this machine can, say which those were, and fail if one failed."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from scripts.infra_check.hcl import INFRA, ROOT

CHECKOV_VENV: Final = ROOT / ".venv-checkov"
CHECKOV_REQUIREMENTS: Final = Path(__file__).with_name("checkov-requirements.txt")
# A mirror of providers as `terraform providers mirror` lays it out; beside it, the places that Terraform documents.
# https://developer.hashicorp.com/terraform/cli/config/config-file#implied-local-mirror-directories
MIRROR_VARIABLE: Final = "STOCKSTREAM_TERRAFORM_MIRROR"
_MIRROR_PLACES: Final = (
    Path.home() / ".terraform.d" / "plugins",
    Path.home() / ".local" / "share" / "terraform" / "plugins",
    Path("/usr/local/share/terraform/plugins"),
    Path("/usr/share/terraform/plugins"),
)
_COMMAND_TIMEOUT_SECONDS: Final = 600


@dataclass(slots=True)
class Report:
    """What was done."""

    checked: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def run(self, title: str, command: Sequence[str | Path], cwd: Path = ROOT) -> None:
        """Run one command; its output is shown where it fails."""
        done = _run(command, cwd)
        if done.returncode == 0:
            self.ok(title)
        else:
            self.fail(title, f"{done.stdout}{done.stderr}")

    def ok(self, title: str) -> None:
        self.checked.append(title)
        print(f"ok      {title}", flush=True)

    def fail(self, title: str, output: str) -> None:
        self.failed.append(title)
        print(f"FAILED  {title}\n{output}", flush=True)

    def skip(self, title: str, reason: str) -> None:
        self.unchecked.append(f"{title}: {reason}")
        print(f"not     {title}: {reason}", flush=True)


def main() -> int:
    report = Report()
    terraform = shutil.which("terraform")
    report.run(
        "structure, names, settings, IAM and READMEs against the code (tests/infra)",
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/infra"],
    )
    if terraform is None:
        report.skip("terraform fmt, init, validate, test", "terraform is not on PATH")
    else:
        report.run("terraform fmt", [terraform, "fmt", "-check", "-diff", "-recursive", INFRA])
        _with_provider(report, terraform)
    _tflint(report)
    _checkov(report)
    print(f"\nChecked {len(report.checked)}:", *report.checked, sep="\n  ")
    print(f"Not checked {len(report.unchecked)}:", *(report.unchecked or ["nothing left out"]), sep="\n  ")
    if report.failed:
        print(f"FAILED {len(report.failed)}:", *report.failed, sep="\n  ")
    return 1 if report.failed else 0


def _with_provider(report: Report, terraform: str) -> None:
    # In a copy: init writes a lock file and a plugin folder, and the checkout stays as it is.
    with tempfile.TemporaryDirectory(prefix="stockstream-infra-") as scratch:
        work = Path(scratch) / "infra"
        shutil.copytree(INFRA, work, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        shutil.copytree(ROOT / "athena", Path(scratch) / "athena")
        origin = init_terraform(terraform, work)
        if origin is None:
            report.skip(
                "terraform init, validate, test",
                f"the AWS provider can be had neither from its registry nor from a mirror; {MIRROR_VARIABLE} names one",
            )
            return
        report.ok(f"terraform init, with the AWS provider from {origin}")
        report.run("terraform validate", [terraform, "validate", "-no-color"], work)
        report.run("terraform test (mocked provider)", [terraform, "test", "-no-color"], work)
        for example in sorted((work / "examples").glob("*/stockstream.tfvars")):
            report.run(
                f"terraform test of examples/{example.parent.name}",
                [terraform, "test", "-no-color", "-test-directory=tests/examples", f"-var-file={example}"],
                work,
            )


def init_terraform(terraform: str, work: Path) -> str | None:
    """Initialise a root; say where the AWS provider came from, None where it can be had from nowhere."""
    command = [terraform, "init", "-no-color", "-backend=false", "-input=false"]
    if _run(command, work).returncode == 0:
        return "its registry"
    for mirror in _mirrors():
        if _run([*command, f"-plugin-dir={mirror}"], work).returncode == 0:
            return f"a local mirror ({mirror.name})"
    return None


def _mirrors() -> Iterator[Path]:
    named = os.environ.get(MIRROR_VARIABLE)
    if named:
        yield Path(named)
        return
    yield from (place for place in _MIRROR_PLACES if place.is_dir())
    # Machines without the registry are given one under /opt: PLACE/HOST/hashicorp/aws/VERSION.
    yield from sorted({path.parents[2] for path in Path("/opt").glob("*/*/hashicorp/aws")})


def _tflint(report: Report) -> None:
    tflint = shutil.which("tflint")
    if tflint is None:
        report.skip("tflint", "it is not on PATH")
        return
    report.run("tflint", [tflint, "--recursive", f"--chdir={INFRA}"])


def _checkov(report: Report) -> None:
    checkov = CHECKOV_VENV / "bin" / "checkov"
    if not checkov.is_file() or _installed_stamp() != CHECKOV_REQUIREMENTS.read_text(encoding="utf-8"):
        places = (ROOT / ".tools" / "bin" / "uv", Path(shutil.which("uv") or "/"))
        uv = next((path for path in places if path.is_file()), None)
        if uv is None:
            report.skip("checkov", "uv is not there to install it; `make setup` brings it")
            return
        print("        installing checkov into .venv-checkov", flush=True)
        steps: list[list[str | Path]] = [
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, CHECKOV_VENV],
            [uv, "pip", "install", "--quiet", "--python", CHECKOV_VENV / "bin" / "python", "-r", CHECKOV_REQUIREMENTS],
        ]
        for step in steps:
            done = _run(step, ROOT)
            if done.returncode != 0:
                report.fail("checkov: installation", done.stderr)
                return
        _stamp_path().write_text(CHECKOV_REQUIREMENTS.read_text(encoding="utf-8"), encoding="utf-8")
    # Every rule that the package brings, none of its platform's: nothing is fetched and nothing is sent.
    report.run(
        "checkov (its own rules, no platform)",
        [checkov, "--directory", INFRA, "--framework", "terraform", "--skip-download", "--compact", "--quiet"],
    )


def _stamp_path() -> Path:
    return CHECKOV_VENV / "requirements.txt"


def _installed_stamp() -> str:
    return _stamp_path().read_text(encoding="utf-8") if _stamp_path().is_file() else ""


def _run(command: Sequence[str | Path], cwd: Path) -> subprocess.CompletedProcess[str]:
    parts = [str(part) for part in command]
    try:
        return subprocess.run(
            parts,
            cwd=cwd,
            env=_environment(),
            check=False,
            capture_output=True,
            text=True,
            timeout=_COMMAND_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(parts, 124, "", f"no end after {_COMMAND_TIMEOUT_SECONDS} s")


def _environment() -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("TF_VAR_", "BC_", "CKV_"))}
    configuration = environ.get("TF_CLI_CONFIG_FILE")
    if configuration and not Path(configuration).is_file():
        # Terraform warns of it before every answer.
        del environ["TF_CLI_CONFIG_FILE"]
    return environ


if __name__ == "__main__":
    sys.exit(main())
