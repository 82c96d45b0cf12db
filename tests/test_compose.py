"""docker-compose.yml: every container obeys a stop from its first moment and has no more rights than it uses."""

from pathlib import Path
from typing import Any

import pytest
import yaml

SERVICES: dict[str, Any] = yaml.safe_load((Path(__file__).parents[1] / "docker-compose.yml").read_text())["services"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_container_has_an_init_no_needless_right_and_ports_on_loopback_alone(name: str) -> None:
    service = SERVICES[name]

    assert service["init"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"] > 0
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", sorted({*SERVICES} - {"aws"}))
def test_a_container_of_ours_cannot_write_into_its_image_and_has_no_capability(name: str) -> None:
    assert SERVICES[name]["read_only"] is True
    assert "cap_add" not in SERVICES[name]
