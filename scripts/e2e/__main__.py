"""Runs it: build, start, kill, restart, wait, compare, audit, clean up. Exit code 0 only if nothing differs."""

import json
import os
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from scripts.e2e.checks import Tables
from scripts.e2e.compose import Compose, docker, free_port, wait_for
from scripts.e2e.scenes import check_commands, check_lost_state, check_page, check_stops
from scripts.e2e.session import Session, prepare_session

_REGION = "us-east-1"
# A 6.5 hour session in about 20 s: long enough to be killed in the middle of.
_SPEED = "1200"


def main() -> int:
    """Run the whole check."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        session = prepare_session(Path(folder))
        port = free_port()
        compose = Compose(
            {
                "STOCKSTREAM_TAG": "e2e",
                "STOCKSTREAM_SOURCE": "replay",
                "STOCKSTREAM_REPLAY_DIR": str(session.path.parent),
                "STOCKSTREAM_REPLAY_FILES": f"/replay/{session.path.name}",
                "STOCKSTREAM_REPLAY_SPEED": _SPEED,
                "STOCKSTREAM_AWS_PORT": str(port),
                "STOCKSTREAM_SERVICE_PORT": str(free_port()),
                "STOCKSTREAM_PAGE_PORT": str(free_port()),
                "AWS_REGION": _REGION,
            }
        )
        print(f"session: {session.path.name} ({session.origin}), {len(session.rows)} quotes")
        _build_images(compose)
        try:
            return _run(compose, Tables(f"http://127.0.0.1:{port}", _REGION), session)
        except SystemExit:
            print(compose.run("logs", "--tail", "40", check=False)[-8000:])
            raise
        finally:
            compose.run("down", "-v", "--remove-orphans", check=False)


def _build_images(compose: Compose) -> None:
    base = os.environ.get("PYTHON_IMAGE", "python:3.13.9-slim-bookworm")
    network = os.environ.get("DOCKER_BUILD_NETWORK", "default")
    common = ["--quiet", "--network", network, "--build-arg", f"PYTHON_IMAGE={base}"]
    docker("build", *common, "-t", "stockstream:e2e", ".")
    if os.environ.get("LOCALSTACK_IMAGE", "").startswith("stockstream-emulator"):
        docker("build", *common, "-f", "docker/emulator/Dockerfile", "-t", os.environ["LOCALSTACK_IMAGE"], ".")
    compose.run("build", "provision")
    sizes = {name: int(docker("image", "inspect", "-f", "{{.Size}}", name)) for name in ("stockstream:e2e", base)}
    over = (sizes["stockstream:e2e"] - sizes[base]) / 1e6
    print(f"image: {sizes['stockstream:e2e'] / 1e6:.0f} MB, {over:.0f} MB over its base {base}")
    if over > 250:
        raise SystemExit(f"the image is {over:.0f} MB over its base; the bound is 250 MB")
    began = time.monotonic()
    hardened = ["--rm", "--read-only", "--cap-drop", "ALL", "--user", "10001", "--tmpfs", "/tmp"]  # noqa: S108
    version = docker("run", *hardened, "stockstream:e2e", "--version").strip()
    print(f"image runs read-only, without capabilities, as 10001: {version} ({time.monotonic() - began:.1f} s)")


def _run(compose: Compose, tables: Tables, session: Session) -> int:
    began = time.monotonic()
    compose.run("up", "-d")
    print(f"compose up: {time.monotonic() - began:.1f} s")
    total = len(session.rows)

    _wait_for_quotes(tables, total // 10)
    _print_start_up(compose)
    print(f"kill -9 of the service, with {tables.count_quotes()} quotes stored")
    compose.signal("service", "KILL")
    wait_for("the service's end", lambda: not compose.container("service")["State"]["Running"])
    compose.start("service")

    _wait_for_quotes(tables, total // 4)
    print(f"kill -9 of the consumer, with {tables.count_quotes()} quotes stored")
    compose.signal("consumer", "KILL")
    time.sleep(2)  # the stream fills while nobody reads it
    if not compose.container("consumer")["State"]["Running"]:
        compose.start("consumer")

    _wait_for_quotes(tables, total // 2)
    print(f"restart of the AWS emulator (SIGTERM, it keeps its state), with {tables.count_quotes()} quotes stored")
    compose.run("stop", "aws")
    time.sleep(2)  # an outage that the outbox bridges
    compose.run("start", "aws")

    _print_memory(compose)
    wait_for("the end of the replay", lambda: not compose.container("service")["State"]["Running"], 300)
    code = compose.container("service")["State"]["ExitCode"]
    print(f"the service ended with exit code {code}")
    _wait_for_quotes(tables, total)
    wait_for("a quiet consumer", _Quiet(tables, session), 120)
    differences = tables.differences(session)
    for line in differences[:20]:
        print(f"  DIFFERENT {line}")
    print(f"compared from outside: {total} quotes, {len(differences)} differences")
    failed = tables.failed_batches()
    print(f"batches given up: {failed}")
    audit_code = _audit(compose)
    check_page(compose, sorted({symbol for symbol, _ in session.rows}))
    check_commands(compose)
    check_stops(compose)
    check_lost_state(compose, tables)
    return 1 if differences or failed or code or audit_code else 0


class _Quiet:
    """True once two looks in a row found the archive as complete as it will get."""

    def __init__(self, tables: Tables, session: Session) -> None:
        self._tables = tables
        self._session = session
        self._last: int | None = None

    def __call__(self) -> bool:
        now = len(self._tables.differences(self._session))
        is_quiet = now in (0, self._last)
        self._last = now
        return is_quiet


def _wait_for_quotes(tables: Tables, count: int) -> None:
    wait_for(f"{count} stored quotes", lambda: tables.count_quotes() >= count)


def _print_start_up(compose: Compose) -> None:
    """From the container's start to the line that says that the sender knows its shards."""
    container = compose.container("service")
    started = datetime.fromisoformat(container["State"]["StartedAt"])
    for line in docker("logs", container["Id"]).splitlines():
        if '"sender_ready"' in line:
            ready = datetime.fromisoformat(json.loads(line)["timestamp"])
            print(f"start-up of the service: {(ready - started).total_seconds():.1f} s")
            return


def _print_memory(compose: Compose) -> None:
    for service in ("service", "consumer", "page"):
        container = compose.container(service)
        if container["State"]["Running"]:
            usage = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", container["Id"]).strip()
            print(f"memory of {service}: {usage}")


def _audit(compose: Compose) -> int:
    out = compose.run("run", "--rm", "--no-deps", "service", "audit", "--json", check=False)
    try:
        report = json.loads(out[out.index("{") :])
    except ValueError:
        print(f"audit gave no report: {out[-2000:]}")
        return 1
    print(f"audit: {json.dumps(report)[:2000]}")
    return 0 if report.get("clean") else 1


if __name__ == "__main__":
    sys.exit(main())
