"""Apply `infra/` to the emulators, run the pipeline on it, plan again, destroy; say what failed and by whose fault."""

import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from scripts.infra_apply.deployment import Deployment, Problem
from scripts.infra_apply.emulators import NAMES, run_emulator
from scripts.infra_apply.faults import Fault, explain, is_of_pace
from scripts.infra_apply.pipeline import open_bucket, run_pipeline
from scripts.infra_check.__main__ import init_terraform

_SERVICE: Final = "module.producer[0].aws_ecs_service.this"
_CAPACITY: Final = '{start="cron(10 9 ? * MON-FRI *)",stop="cron(30 16 ? * MON-FRI *)",timezone="America/New_York"}'
VARIABLES: Final[dict[str, Any]] = {
    "region": "us-east-1",
    "symbols": ["AAPL", "MSFT"],
    "source_name": "simulated",
    "alert_email_addresses": ["someone@example.com"],
    "operator_email_addresses": ["operator@example.com"],
    "lambda_package_path": "tests/fixtures/consumer.zip",
    "deletion_protection": False,
    "force_destroy": True,
}


@dataclass(slots=True)
class Outcome:
    """What happened on one emulator."""

    emulator: str
    made: int = 0
    seconds: float = 0.0
    problems: list[Problem] = field(default_factory=list)


def main() -> int:
    terraform = shutil.which("terraform")
    if terraform is None:
        print("infra-apply: skipped, terraform is not on PATH")
        return 0
    workers = ThreadPoolExecutor(len(NAMES))
    with tempfile.TemporaryDirectory(prefix="stockstream-apply-") as scratch, workers as pool:
        started = [(name, pool.submit(_try, terraform, name, Path(scratch) / name)) for name in NAMES]
        outcomes = []
        for name, future in started:
            outcome = future.result()
            if outcome is None:
                print(
                    f"infra-apply: {name} skipped, the AWS provider can be had neither from its registry nor a mirror"
                )
            else:
                outcomes.append(outcome)
    return max((_report(outcome) for outcome in outcomes), default=0)


def _try(terraform: str, emulator: str, folder: Path) -> Outcome | None:
    outcome = _attempt(terraform, emulator, folder)
    late = [] if outcome is None else [problem for problem in outcome.problems if is_of_pace(problem)]
    if not late:
        return outcome
    print(f"infra-apply: {emulator} once more, for the provider asked twice: {late[0].address}: {late[0].text}")
    return _attempt(terraform, emulator, folder.with_name(f"{emulator}-again"))


def _attempt(terraform: str, emulator: str, folder: Path) -> Outcome | None:
    folder.mkdir()
    started = time.monotonic()
    outcome = Outcome(emulator)
    with run_emulator(emulator, folder) as url:
        deployment = Deployment(terraform, folder / "stockstream", url, VARIABLES)
        if init_terraform(terraform, deployment.root) is None:
            return None
        # A second deployment of the same account and region, at the same time.
        paper = Deployment(terraform, folder / "paper", url, VARIABLES | {"name": "paper"})
        init_terraform(terraform, paper.root)
        with ThreadPoolExecutor(1) as pool:
            beside = pool.submit(paper.apply, "apply")
            outcome.problems += deployment.apply("apply")
            outcome.problems += deployment.apply("apply", image_tag="2026-11-22")
            outcome.problems += beside.result()
        ours, theirs = deployment.arns(), paper.arns()
        outcome.made = len(ours) + len(theirs)
        outcome.problems += [
            Problem("side by side", address, f"{arn} is the other deployment's too")
            for address, arn in ours.items()
            if arn in theirs.values() and arn.startswith("arn:")
        ]
        outcome.problems += deployment.planned_changes("plan", image_tag="2026-11-22")
        outcome.problems += _toggles(deployment)
        outcome.problems += open_bucket(deployment.outputs(), url)
        outcome.problems += run_pipeline(deployment.outputs(), url, folder / "run")
        with ThreadPoolExecutor(2) as pool:
            for gone in [pool.submit(_destroy, emulator, left) for left in (deployment, paper)]:
                outcome.problems += gone.result()
    outcome.seconds = time.monotonic() - started
    return outcome


def _destroy(emulator: str, deployment: Deployment) -> list[Problem]:
    problems = deployment.destroy()
    known, _ = explain(emulator, problems)
    if undeletable := [fault.forget for fault, met in known.items() if met and fault.forget]:
        for pattern in undeletable:
            deployment.forget(pattern)
        problems += deployment.destroy()
    return [*problems, *(Problem("destroy", address, "is still in the state") for address in deployment.arns())]


def _toggles(deployment: Deployment) -> list[Problem]:
    """What is meant to change in place, and does not."""
    changes = {
        **deployment.planned_actions(image_tag="2026-11-22", spot="true"),
        **deployment.planned_actions(image_tag="2026-11-22", provisioned_capacity=_CAPACITY),
    }
    tables = [f'module.hot_store.aws_dynamodb_table.this["{role}"]' for role in ("quotes", "candles")]
    return [
        Problem("toggle", address, "/".join(changes.get(address, ["no change"])))
        for address in (_SERVICE, *tables)
        if changes.get(address) != ["update"]
    ]


def _report(outcome: Outcome) -> int:
    known, ours = explain(outcome.emulator, outcome.problems)
    stale = [fault for fault, met in known.items() if not met]
    print(f"\n=== {outcome.emulator}: {outcome.made} resources of two deployments, {outcome.seconds:.0f} s")
    print("| Step | Resources | Whose fault | Why |\n|---|---|---|---|")
    for fault, met in known.items():
        if met:
            print(f"| {fault.step} | {_resources(met)} | {outcome.emulator}'s | {fault.reason} |")
    for problem in ours:
        print(f"| {problem.step} | `{problem.address}` | **ours** | {problem.text} |")
    for fault in stale:
        print(f"| {fault.step} | `{fault.address}` | **the list's** | {_stale(fault)} |")
    return 1 if ours or stale else 0


def _resources(met: list[Problem]) -> str:
    addresses = sorted({problem.address for problem in met})
    return f"`{addresses[0]}`" + (f" and {len(addresses) - 1} more" if len(addresses) > 1 else "")


def _stale(fault: Fault) -> str:
    return f"nothing meets it any more: take it out of scripts/infra_apply/faults.py ({fault.reason})"


if __name__ == "__main__":
    sys.exit(main())
