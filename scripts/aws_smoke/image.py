"""The service's image, built for Fargate and pushed, as docs/deploy.md does it by hand."""

import base64
import subprocess
from typing import Any

from scripts.infra_check.hcl import ROOT


def push_image(ecr: Any, repository_url: str, tag: str) -> None:
    """Build the image for arm64 and push it.

    Raises:
        subprocess.CalledProcessError: Docker refused; its output has been shown.
    """
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    registry = repository_url.partition("/")[0]
    login = ["docker", "login", "--username", user, "--password-stdin", registry]
    subprocess.run(login, input=password.encode(), check=True)
    image = f"{repository_url}:{tag}"
    build = ["docker", "buildx", "build", "--platform", "linux/arm64", "--tag", image, "--push", str(ROOT)]
    subprocess.run(build, check=True)
