"""What we build on is pinned, and a check that looked at nothing does not say that it found nothing."""

import re
from pathlib import Path
from typing import Any

import pytest

from scripts import check_advisories, pin_images

_ROOT = Path(__file__).parents[1]
_DIGEST = "sha256:" + "ab" * 32


def test_uv_is_installed_by_hash_and_from_one_place() -> None:
    text = (_ROOT / "requirements-uv.txt").read_text(encoding="utf-8")
    assert re.findall(r"^(\S+)==", text, re.MULTILINE) == ["uv"]
    # A wheel for each of linux and darwin, arm64 and amd64, and more.
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", text)) >= 8
    for name in ("Makefile", "Dockerfile", "docker/emulator/Dockerfile"):
        # A continued line is one.
        content = re.sub(r"\\\n\s*", "", (_ROOT / name).read_text(encoding="utf-8"))
        assert "--require-hashes -r requirements-uv.txt" in content
        assert "uv==" not in content


def test_every_image_is_named_by_an_exact_release() -> None:
    named = pin_images.find_unpinned(_ROOT)
    assert all(re.search(r":\d+\.\d+\.\d+", line) for line in named)


@pytest.mark.parametrize("tag", ["python:3.13-slim-bookworm", "python:latest", "localstack/localstack:4"])
def test_an_image_whose_tag_moves_is_refused(tmp_path: Path, tag: str) -> None:
    (tmp_path / "Dockerfile").write_text(f"ARG PYTHON_IMAGE={tag}\n")
    with pytest.raises(SystemExit, match=tag):
        pin_images.find_unpinned(tmp_path)


def test_digests_are_written_once_and_replaced_when_they_change() -> None:
    text = "ARG A=python:3.13.9-slim-bookworm\nimage: ${X:-localstack/localstack:4.14.0}\n# my-python:3.13.9\n"
    pinned = pin_images.with_digests(text, {"python:3.13.9-slim-bookworm": _DIGEST})
    assert pinned == text.replace("bookworm\n", f"bookworm@{_DIGEST}\n")
    other = _DIGEST.replace("ab", "cd")
    assert pin_images.with_digests(pinned, {"python:3.13.9-slim-bookworm": other}) == pinned.replace(_DIGEST, other)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ([{"name": "requests", "version": "2.19.0", "vulns": []}], "names no advisory"),
        ([{"name": "requests", "skip_reason": "not found on PyPI"}], "names no advisory"),
        (check_advisories.NotCheckedError("no network"), "no network"),
    ],
)
def test_a_source_of_advisories_that_knows_none_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: Any, reason: str
) -> None:
    def audit(_requirements: str, _service: str) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(check_advisories, "_audit", audit)
    monkeypatch.setattr("sys.argv", ["check_advisories", "--strict"])
    with pytest.raises(SystemExit) as caught:
        check_advisories.main()
    assert caught.value.code == 1
    said = capsys.readouterr().out
    assert "not checked" in said
    assert reason in said
