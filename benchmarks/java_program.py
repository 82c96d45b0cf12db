"""Java programs of this project beside it: their libraries from Maven, compiled where a JDK is.

What cannot be built is `Absent`, with the reason: whoever wants it says so, and goes on without.
"""

import hashlib
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[1]
_BUILT: Final = ROOT / "build" / "java"
_BUILD_SECONDS_MAX: Final = 600


class Absent(Exception):  # noqa: N818 (no failure: it is not here)
    """A program that this machine cannot build."""


class JavaProgram(NamedTuple):
    """A program that is ready to run.

    Attributes:
        class_path: Its classes, where it has its own, and its libraries.
        options: A file for `java @FILE` that names them.
    """

    class_path: tuple[Path, ...]
    options: Path

    def command(self, main_class: str, *arguments: str) -> list[str]:
        """The command that runs it."""
        return ["java", f"@{self.options}", main_class, *arguments]


@cache
def java_program(folder: Path) -> JavaProgram:
    """Build the Maven project of a folder: the libraries that its `pom.xml` names, and what lies in `src/main/java`.

    Raises:
        Absent: no JDK, no Maven, or no artifacts.
    """
    for tool in ("java", "javac", "mvn"):
        if shutil.which(tool) is None:
            raise Absent(f"{tool} is not installed")
    built = _BUILT / folder.relative_to(ROOT)
    classes = built / "classes"
    classes.mkdir(parents=True, exist_ok=True)
    libraries = _libraries(folder, built)
    sources = sorted(str(path) for path in (folder / "src" / "main" / "java").glob("*.java"))
    if sources:
        run_tool("javac", "-cp", _joined(libraries), "-d", str(classes), *sources, folder=folder)
    class_path = (classes, *libraries)
    options = built / "java.options"
    _write(options, f'-cp "{_joined(class_path)}"\n')
    return JavaProgram(class_path, options)


def _libraries(folder: Path, built: Path) -> tuple[Path, ...]:
    """Maven's answer is kept, for asking again takes it ten seconds."""
    kept = built / f"{hashlib.sha256((folder / 'pom.xml').read_bytes()).hexdigest()}.classpath"
    if not kept.exists() or not all(Path(jar).exists() for jar in kept.read_text().split(os.pathsep)):
        asked = built / f"{os.getpid()}.classpath"
        run_tool("mvn", "-q", "-B", "dependency:build-classpath", f"-Dmdep.outputFile={asked}", folder=folder)
        _write(kept, asked.read_text().strip())
        asked.unlink()
    return tuple(map(Path, kept.read_text().split(os.pathsep)))


def run_tool(tool: str, *arguments: str, folder: Path) -> None:
    """Run a tool of a build in a folder.

    Raises:
        Absent: it is not installed, or cannot do it here.
    """
    if shutil.which(tool) is None:
        raise Absent(f"{tool} is not installed")
    try:
        subprocess.run(
            [tool, *arguments], cwd=folder, check=True, capture_output=True, text=True, timeout=_BUILD_SECONDS_MAX
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as exc:
        said = str(exc.stderr or exc.stdout or exc).strip().splitlines()
        raise Absent(f"{tool} failed: {said[-1][:200] if said else exc}") from exc


def _write(path: Path, text: str) -> None:
    """Whole or not at all: another process may build the same."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.write_text(text)
    new.replace(path)


def _joined(paths: tuple[Path, ...]) -> str:
    return os.pathsep.join(map(str, paths))
