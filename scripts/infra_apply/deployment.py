"""One deployment on one emulator: terraform in a copy of `infra/`, its messages read as data."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scripts.infra_check.hcl import INFRA, ROOT

# An emulator needs no signature that is right, and has no metadata service. What it has not is an internal error, which
# the provider by itself tries again for minutes.
_OVERRIDE: Final = """
provider "aws" {
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  s3_use_path_style           = true
  max_retries                 = 3
}
"""
_TIMEOUT_SECONDS: Final = 1800
# An emulator answers one call after the other: who waits long in line asks again.
_PARALLELISM: Final = "-parallelism=8"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that went otherwise than on AWS: a step, a resource, and what was said."""

    step: str
    address: str
    text: str


class Deployment:
    """A copy of `infra/` with its state.

    Args:
        terraform: The program.
        folder: Where to put the copy; made.
        endpoint_url: The emulator; None is AWS, with the credentials of this process.
        variables: Values of the root's variables.
    """

    def __init__(self, terraform: str, folder: Path, endpoint_url: str | None, variables: Mapping[str, Any]) -> None:
        self._terraform = terraform
        self._root = folder / "infra"
        shutil.copytree(INFRA, self._root, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        shutil.copytree(ROOT / "athena", folder / "athena")
        if endpoint_url is not None:
            (self._root / "emulator_override.tf").write_text(_OVERRIDE, encoding="utf-8")
        (self._root / "terraform.tfvars.json").write_text(json.dumps(variables), encoding="utf-8")
        self._environment = _environment(endpoint_url)

    @property
    def root(self) -> Path:
        return self._root

    def apply(self, step: str, **variables: str) -> list[Problem]:
        """Apply; give what failed. Resources that do not depend on it are made all the same."""
        return list(self._problems(step, "apply", "-auto-approve", _PARALLELISM, *_given(variables)))

    def destroy(self) -> list[Problem]:
        return list(self._problems("destroy", "destroy", "-auto-approve", _PARALLELISM))

    def forget(self, pattern: str) -> None:
        """Take out of the state what an emulator cannot delete."""
        if addresses := [address for address in self.arns() if re.fullmatch(pattern, address)]:
            self._run("state", "rm", *addresses)

    def planned_changes(self, step: str, **variables: str) -> list[Problem]:
        """What a further apply would change; nothing, on AWS."""
        return [
            Problem(step, address, " ".join(("/".join(change["actions"]), *_attributes(change))))
            for address, change in self._planned(variables).items()
        ]

    def planned_actions(self, **variables: str) -> dict[str, list[str]]:
        """What terraform would do, by resource; those it would leave alone are left out."""
        return {address: change["actions"] for address, change in self._planned(variables).items()}

    def _planned(self, variables: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        plan = self._root / "plan"
        self._run("plan", "-no-color", "-input=false", f"-out={plan}", *_given(variables))
        changes = json.loads(self._run("show", "-json", str(plan)).stdout).get("resource_changes", [])
        return {
            entry["address"]: entry["change"]
            for entry in changes
            if entry["mode"] == "managed" and entry["change"]["actions"] != ["no-op"]
        }

    def outputs(self) -> dict[str, Any]:
        found = json.loads(self._run("output", "-json").stdout)
        return {name: output["value"] for name, output in found.items()}

    def arns(self) -> dict[str, str]:
        """ARN of every resource that was made, by address; its id where it has no ARN."""
        state = json.loads(self._run("show", "-json").stdout).get("values", {}).get("root_module", {})
        return {
            resource["address"]: str(resource["values"].get("arn") or resource["values"].get("id"))
            for module in _modules(state)
            for resource in module.get("resources", ())
            if resource["mode"] == "managed"
        }

    def _problems(self, step: str, *arguments: str) -> Iterator[Problem]:
        done = self._run(arguments[0], "-json", "-input=false", *arguments[1:], may_fail=True)
        errors = 0
        for line in done.stdout.splitlines():
            diagnostic = json.loads(line).get("diagnostic", {}) if line.startswith("{") else {}
            if diagnostic.get("severity") == "error":
                errors += 1
                text = " ".join(f"{diagnostic['summary']} {diagnostic.get('detail', '')}".split())
                yield Problem(step, diagnostic.get("address", "-"), text)
        if done.returncode != 0 and errors == 0:
            yield Problem(step, "-", f"terraform ended with {done.returncode}: {done.stderr.strip()[-400:]}")

    def _run(self, *arguments: str, may_fail: bool = False) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [self._terraform, *arguments],
            cwd=self._root,
            env=self._environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
        )
        if done.returncode != 0 and not may_fail:
            msg = f"terraform {arguments[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
            raise RuntimeError(msg)
        return done


def _attributes(change: dict[str, Any]) -> list[str]:
    """Names of the attributes that differ, where something is changed in place."""
    if change["actions"] != ["update"]:
        return []
    before, after = change["before"], change["after"]
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _modules(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield module
    for child in module.get("child_modules", ()):
        yield from _modules(child)


def _given(variables: Mapping[str, str]) -> list[str]:
    return [f"-var={name}={value}" for name, value in variables.items()]


def _environment(endpoint_url: str | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TF_")} | {
        "CHECKPOINT_DISABLE": "1"
    }
    if endpoint_url is None:
        return kept
    ours = {"AWS_ENDPOINT_URL": endpoint_url, "AWS_EC2_METADATA_DISABLED": "true"}
    return {name: value for name, value in kept.items() if not name.startswith("AWS_")} | ours
