"""What else must hold in containers: every command is there, a stop is obeyed, an emulator may lose everything."""

import json
import time
from http import HTTPStatus
from http.client import HTTPConnection
from typing import Final

from scripts.e2e.checks import Tables
from scripts.e2e.compose import Compose, docker, wait_for

# Seconds after a start: before Python is up, during its imports, while it opens things, and at work.
_MOMENTS_SECONDS: Final = (0.2, 0.8, 1.5, 3.0)
_KILLED: Final = 137
_DEMO_SYMBOLS: Final = 10
_ALL_HELP: Final = """
import subprocess, sys
from stockstream.cli._commands import stockstream
for name in sorted(stockstream.commands):
    done = subprocess.run(["stockstream", name, "--help"], capture_output=True, text=True)
    if done.returncode or "Usage: stockstream " + name not in done.stdout:
        sys.exit(f"stockstream {name} --help: exit code {done.returncode}: {done.stderr}")
print(len(stockstream.commands), "commands")
"""


def check_commands(compose: Compose) -> None:
    """Ask every command of the image for its help, and run the published queries on what is archived.

    Raises:
        SystemExit: one of them does not work.
    """
    once = ("run", "--rm", "--no-deps")
    print(f"--help in the image: {compose.run(*once, '--entrypoint', 'python', 'service', '-c', _ALL_HELP).strip()}")
    began = time.monotonic()
    answer = compose.run(*once, "service", "query", "published")
    if not answer.strip():
        raise SystemExit("`stockstream query published` printed nothing in the image")
    print(f"query published in the image: {len(answer.splitlines())} lines ({time.monotonic() - began:.1f} s)")


def check_page(compose: Compose, symbols: list[str]) -> None:
    """Ask the page, as a browser on this machine does, for every symbol's latest quote, and as a rebound name.

    Raises:
        SystemExit: a symbol is missing, or a name that is not loopback's is answered.
    """
    port = int(compose.environment["STOCKSTREAM_PAGE_PORT"])
    status, body = _latest(port, f"localhost:{port}")
    shown = sorted(quote["symbol"] for quote in json.loads(body)["items"]) if status == HTTPStatus.OK else []
    if shown != symbols:
        raise SystemExit(f"the page answers {status}, and shows {shown} of {symbols}")
    status, _ = _latest(port, "rebound.example")
    print(f"the page shows {len(shown)} symbols, and answers a rebound name with {status}")
    if status != HTTPStatus.FORBIDDEN:
        raise SystemExit(f"the page answers a name that is not its own with {status}")


def check_stops(compose: Compose) -> None:
    """Stop each container of ours soon after its start.

    Raises:
        SystemExit: one had to be killed.
    """
    for service in ("service", "consumer", "page"):
        identifier = compose.container(service)["Id"]
        docker("stop", identifier)
        for moment_seconds in _MOMENTS_SECONDS:
            docker("start", identifier)
            time.sleep(moment_seconds)
            began = time.monotonic()
            docker("stop", identifier)
            code = compose.container(service)["State"]["ExitCode"]
            took = time.monotonic() - began
            print(f"stop of {service} {moment_seconds} s after its start: exit code {code}, {took:.1f} s")
            if code == _KILLED:
                raise SystemExit(f"{service} did not obey SIGTERM {moment_seconds} s after its start")


def check_lost_state(compose: Compose, tables: Tables) -> None:
    """Take the emulator's state away while a simulated market flows, and see the flow go on.

    Raises:
        SystemExit: nothing is stored any more, or the loss is not said once.
    """
    flowing = Compose(
        {
            **compose.environment,
            "STOCKSTREAM_SOURCE": "simulated",
            "STOCKSTREAM_POLL_INTERVAL_SECONDS": "1",
            "STOCKSTREAM_REPLAY_FILES": "",
        },
        compose.project,
    )
    flowing.run("up", "-d", "service", "consumer")
    wait_for("ten simulated symbols", lambda: len(_simulated(tables)) >= _DEMO_SYMBOLS)
    flowing.run("rm", "-s", "-f", "aws")
    docker("volume", "rm", f"{compose.project}_aws-state")
    flowing.run("up", "-d", "--no-deps", "aws")
    took = wait_for("quotes after the loss", lambda: len(_simulated(tables)) >= _DEMO_SYMBOLS)
    lines = docker("logs", flowing.container("consumer")["Id"]).splitlines()
    events = [json.loads(line).get("event", "?") for line in lines if line.startswith("{")]
    print(f"the AWS container lost everything: quotes are stored again after {took:.1f} s")
    if events.count("emulator_lost_its_state") != 1:
        raise SystemExit(f"the consumer said {events.count('emulator_lost_its_state')} times that the state is lost")


def _latest(port: int, host: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/api/v1/latest", headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _simulated(tables: Tables) -> set[str]:
    return tables.symbols(source="simulated")
