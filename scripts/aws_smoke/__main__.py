"""Make a deployment in an account, check on it what no emulator can say, and destroy it. Refuses without consent."""

import argparse
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from scripts.aws_smoke.checks import CHECKS
from scripts.aws_smoke.context import Check, Context, FailedError, SkippedError
from scripts.aws_smoke.image import push_image
from scripts.infra_apply.deployment import Deployment
from scripts.infra_apply.emulators import NAMES, run_emulator
from scripts.infra_apply.faults import explain
from scripts.infra_check.__main__ import init_terraform
from scripts.infra_check.hcl import INFRA, ROOT

ZIP: Final = ROOT / "build" / "stockstream-consumer-arm64.zip"
# It never comes by itself: the check moves a copy of `stop` to two minutes from now.
_NEVER: Final = {
    "start": "cron(0 0 1 1 ? 2099)",
    "expected_by": "cron(5 0 1 1 ? 2099)",
    "stop": "cron(10 0 1 1 ? 2099)",
    "timezone": "UTC",
}


def main() -> int:
    arguments = _parser().parse_args()
    terraform = shutil.which("terraform")
    if terraform is None:
        return _refuse("terraform is not on PATH: install it (1.9 or later), see docs/deploy.md")
    with tempfile.TemporaryDirectory(prefix="stockstream-smoke-") as scratch, ExitStack() as stack:
        folder = Path(scratch)
        endpoint_url = None
        if arguments.emulator is not None:
            endpoint_url = stack.enter_context(run_emulator(arguments.emulator, folder))
        elif (reason := _consent(arguments)) is not None:
            return _refuse(reason)
        return _smoke(terraform, folder, endpoint_url, arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make aws-smoke ARGS=...", description=__doc__)
    parser.add_argument("--yes", action="store_true", help="make, bill and destroy a deployment in the account shown")
    parser.add_argument("--emulator", choices=NAMES, help="run against an emulator in place of AWS; needs no consent")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--name", default="smoke", help="name of the deployment [default: smoke]")
    parser.add_argument("--email", help="send a message there; its confirmation has to be clicked")
    parser.add_argument("--image", action="store_true", help="build, push and run the service's image (Docker)")
    parser.add_argument("--redshift", action="store_true", help="the warehouse too, for about 0.40 USD more")
    parser.add_argument("--keep", action="store_true", help="leave the deployment, and say how to destroy it")
    return parser


def _consent(arguments: argparse.Namespace) -> str | None:
    """Show whose account it is and what will be billed; the reason to refuse, or None."""
    try:
        caller = boto3.client("sts", region_name=arguments.region).get_caller_identity()
    except (BotoCoreError, ClientError) as exc:
        return f"no credentials of AWS: {exc}. Remedy: `aws configure`, or AWS_PROFILE of a sandbox account"
    print(f"account   {caller['Account']} as {caller['Arn']}")
    print(f"region    {arguments.region}; deployment `{arguments.name}`: about 140 resources, destroyed at the end")
    print(f"cost      below 1 USD{' and 0.40 USD for Redshift' if arguments.redshift else ''}; docs/aws-smoke.md")
    if not arguments.yes:
        return "nothing was done. Remedy: say --yes if this is the account"
    if not ZIP.is_file():
        return f"{ZIP.relative_to(ROOT)} is not there: make lambda-zip"
    return None


def _refuse(reason: str) -> int:
    print(f"aws-smoke: {reason}", file=sys.stderr)
    return 2


def _smoke(terraform: str, folder: Path, endpoint_url: str | None, arguments: argparse.Namespace) -> int:
    work = folder / "deployment"
    deployment = Deployment(terraform, work, endpoint_url, _variables(arguments))
    if init_terraform(terraform, deployment.root) is None:
        return _refuse("the AWS provider can be had neither from its registry nor from a mirror")
    failed: list[str] = []
    try:
        started = time.time()
        problems = deployment.apply("apply")
        if arguments.emulator is not None:
            _, problems = explain(arguments.emulator, problems)
        if arguments.image and arguments.emulator is None:
            tag = f"smoke-{int(started)}"
            push_image(boto3.client("ecr", region_name=arguments.region), deployment.outputs()["repository_url"], tag)
            problems += deployment.apply("apply", image_tag=tag)
        failed += [f"apply of {problem.address}: {problem.text}" for problem in problems]
        print(f"applied   {len(deployment.arns())} resources in {time.time() - started:.0f} s", flush=True)
        context = Context(
            region=arguments.region,
            endpoint_url=endpoint_url,
            outputs=deployment.outputs(),
            folder=folder,
            email=arguments.email,
            redshift=arguments.redshift,
            started_ms=int(started * 1000),
        )
        print("\n| Check | Verdict | Seen | Decides |\n|---|---|---|---|", flush=True)
        for check in CHECKS:
            verdict, seen = _judge(check, context, arguments.emulator)
            if verdict == "FAILED":
                failed.append(f"{check.name}: {seen}")
            print(f"| {check.name} | {verdict} | {seen} | {check.decides} |", flush=True)
    finally:
        failed += _teardown(deployment, arguments)
    for line in failed:
        print(f"FAILED    {line}")
    return 1 if failed else 0


def _variables(arguments: argparse.Namespace) -> dict[str, Any]:
    package = INFRA / "tests" / "fixtures" / "consumer.zip" if arguments.emulator else ZIP
    return {
        "region": arguments.region,
        "name": arguments.name,
        "symbols": ["AAPL"],
        "source_name": "simulated",
        "alert_email_addresses": [arguments.email] if arguments.email else [],
        "lambda_package_path": str(package),
        "parquet_delivery": arguments.emulator is None,
        "warehouse": arguments.redshift,
        "schedule": _NEVER,
        "flow_logs": False,
        "point_in_time_recovery": False,
        "deletion_protection": False,
        "force_destroy": True,
    }


def _judge(check: Check, context: Context, emulator: str | None) -> tuple[str, str]:
    if emulator is not None and emulator in check.lacking:
        return "skipped", f"{emulator} {check.lacking[emulator]}"
    try:
        return "ok", check.run(context)
    except SkippedError as exc:
        return "skipped", str(exc)
    except (FailedError, BotoCoreError, ClientError) as exc:
        return "FAILED", " ".join(str(exc).split())


def _teardown(deployment: Deployment, arguments: argparse.Namespace) -> list[str]:
    if arguments.keep:
        kept = ROOT / "build" / f"smoke-{arguments.name}"
        shutil.copytree(deployment.root.parent, kept, dirs_exist_ok=True)
        print(f"\nkept: {kept}; destroy it with: terraform -chdir={kept / 'infra'} destroy")
        return []
    problems = deployment.destroy()
    if arguments.emulator is not None:
        # What an emulator cannot delete ends with it.
        return []
    left = sorted(deployment.arns())
    if not problems and not left:
        print("\ndestroyed: nothing is left but the key, which AWS deletes in 30 days")
    return [f"destroy: {problem.text}" for problem in problems] + [f"still there: {address}" for address in left]


if __name__ == "__main__":
    sys.exit(main())
