"""MiniStack behind our guard: only the services that we use, for nobody but programs of this machine.

Runs in the emulator's own environment, where nothing of ours is installed: it loads the guard by its path. The launcher
imports it; the container of docker/emulator runs it as it is. Settings come from the environment:

    SERVICES                     what may be called, separated by commas; `DEFAULT_SERVICES` where unset
    STOCKSTREAM_EMULATOR_HOSTS   host names that it answers to beside loopback's, separated by commas
    BIND_HOST, GATEWAY_PORT ...  MiniStack's own

MiniStack's SERVICES holds for calls that its router knows by service. What it answers beside, by path or by host (its
administration, function URLs, execute-api, hosted sign-in pages, registries), is refused here.
"""

import importlib.util
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

try:
    from stockstream import request_guard
except ModuleNotFoundError:
    _spec = importlib.util.spec_from_file_location(
        "stockstream_request_guard", Path(__file__).resolve().parents[1] / "request_guard.py"
    )
    if _spec is None or _spec.loader is None:
        raise
    request_guard = importlib.util.module_from_spec(_spec)
    sys.modules[_spec.name] = request_guard
    _spec.loader.exec_module(request_guard)

# The stream, the consumer's tables, the archive, alerts, failed batches; `sts` answers "who am I", which AWS's tools
# ask first. Not among them, on purpose: lambda, states, glue, codebuild, eks and all else that starts processes.
DEFAULT_SERVICES: Final = ("kinesis", "dynamodb", "s3", "sns", "sqs", "sts")
HOSTS_VARIABLE: Final = "STOCKSTREAM_EMULATOR_HOSTS"

_OPEN_PATHS: Final = frozenset({"/_ministack/health", "/_ministack/ready", "/_localstack/health"})
# Every call carries this or X-Amz-Target: headers that no page can set without a preflight, which is refused. So
# nothing gets in from a browser that tells neither Origin nor Sec-Fetch-Site.
_SIGNED: Final = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=[^/,\s]*/\d{8}/[^/,\s]+/(?P<service>[a-z0-9-]+)/aws4_request\b"
)
_ROOT: Final = re.compile("/")
_PATHS: Final = {
    "kinesis": _ROOT,
    "dynamodb": _ROOT,
    "sns": _ROOT,
    "sts": _ROOT,
    "sqs": re.compile(r"/(?:\d{12}/[A-Za-z0-9_.-]+/?)?"),
    "s3": re.compile(r"/(?:[a-z0-9][a-z0-9.-]{2,62}(?:/.*)?)?", re.DOTALL),
}
# What MiniStack takes for another service's path before it looks for a bucket of that name.
_NO_BUCKET: Final = re.compile(r"/(?:iceberg|(?:login|logout|oauth2|restapis|v20180820)(?:/|$))")


def refusal(scope: Mapping[str, Any], headers: Mapping[str, str], services: frozenset[str]) -> str | None:
    """Decide whether a request calls one of `services` and nothing beside: None, or why not."""
    path = str(scope["path"])
    if scope["type"] == "websocket":
        return "no service of this emulator speaks WebSocket"
    if path in _OPEN_PATHS:
        return None
    signed = _SIGNED.match(headers.get("authorization", ""))
    if signed is None:
        if path == "/" and "x-amz-target" in headers:
            return None  # the AWS CLI with --no-sign-request; SERVICES decides whose target it is
        return "the request is not signed. Remedy: an AWS SDK or the AWS CLI, with any credentials (test, test)"
    service = signed["service"]
    if service not in services:
        return f"the service {service!r} is off here; on are {', '.join(sorted(services))}"
    own = _PATHS.get(service)
    if path.startswith("/_") or (own is not None and (own.fullmatch(path) is None or _NO_BUCKET.match(path))):
        return f"there is no such path of {service}"
    return None


def run() -> None:
    """Serve until SIGTERM.

    Raises:
        SystemExit: a setting is bad; names it.
    """
    named = os.environ.get("SERVICES") or ",".join(DEFAULT_SERVICES)
    services = frozenset(part.strip() for part in named.split(",") if part.strip())
    try:
        hosts = request_guard.parse_hosts(os.environ.get(HOSTS_VARIABLE, ""))
    except ValueError as exc:
        sys.exit(f"{HOSTS_VARIABLE}: {exc}: must be host names separated by commas")
    # Read when ministack.app is imported.
    os.environ["SERVICES"] = ",".join(sorted(services))
    from ministack import app as ministack  # type: ignore[import-not-found]  # noqa: PLC0415

    # What another version left in the state folder for a service that is off (a function, say) stays unread.
    modules = {ministack.SERVICE_REGISTRY[name]["module"] for name in services if name in ministack.SERVICE_REGISTRY}
    ministack._state_map = {key: module for key, module in ministack._state_map.items() if module in modules}
    ministack.app = request_guard.guarded(
        ministack.app,
        request_guard.GuardPolicy(HOSTS_VARIABLE, hosts=hosts),
        lambda scope, headers: refusal(scope, headers, services),
    )
    sys.argv = ["ministack"]
    ministack.main()


if __name__ == "__main__":
    run()
