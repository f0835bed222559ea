"""The Go compiler, and builds with it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

OLDEST = (1, 21)
"""The first Go that fetches the Go that a module asks for."""

_TAIL = 15


class BuildError(Exception):
    """A step of a build failed; the text says which, shows the end of its log and where the rest is."""


def find() -> Path | None:
    """An installed Go that can build our modules, or None."""
    on_path = shutil.which("go")
    candidates = [Path(on_path)] if on_path else []
    candidates += [Path("/usr/local/go/bin/go"), *sorted(Path("/usr/lib").glob("go-*/bin/go"))]
    return next((go for go in candidates if _version(go) >= OLDEST), None)


def _version(go: Path) -> tuple[int, ...]:
    if not go.exists():
        return (0,)
    # From outside any module, so that this Go itself answers.
    answer = subprocess.run(
        [go, "version"],
        capture_output=True,
        text=True,
        cwd="/",
        env={**os.environ, "GOTOOLCHAIN": "local"},
    ).stdout
    number = re.search(r"\bgo(\d+)\.(\d+)", answer)
    return tuple(map(int, number.groups())) if number else (0,)


@dataclass(frozen=True)
class Workshop:
    """A copy of our Go sources to build one tool in, with a log of all that was done there."""

    go: Path
    source: Path
    caches: Path
    """Where all builds share their modules and compiled packages."""

    log: Path

    def build(self, package: str, output: Path, *, variables: str = "", module: str = ".") -> None:
        """Compile one program.

        `package` is its import path; `variables` sets strings in it, as `import/path.Name=value`;
        `module` is the directory of the go.mod that pins it. Raises `BuildError`.
        """
        flags = f"-s -w -X {variables}" if variables else "-s -w"
        self.run(module, "build", "-trimpath", "-ldflags", flags, "-o", str(output), package)

    def run(self, module: str, *arguments: str) -> str:
        """Run `go` in a module's directory and return what it prints. Raises `BuildError`."""
        command = [str(self.go), *arguments]
        with self.log.open("ab") as log:
            log.write(f"$ go {' '.join(arguments)}\n".encode())
            log.flush()
            start = log.tell()
            result = subprocess.run(
                command,
                cwd=self.source / module,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        if result.returncode != 0:
            raise BuildError(self._failure(arguments, start))
        return result.stdout

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "GOMODCACHE": str(self.caches / "mod"),
            "GOCACHE": str(self.caches / "build"),
            # Static programs: a C compiler is not needed, and rclone runs in a machine whose
            # C library is not ours.
            "CGO_ENABLED": "0",
            # Not the user's own flags; and a cache that can be deleted.
            "GOFLAGS": "-buildvcs=false -modcacherw",
            "GOTOOLCHAIN": "auto",
            "GOWORK": "off",
        }

    def _failure(self, arguments: tuple[str, ...], start: int) -> str:
        with self.log.open("rb") as log:
            log.seek(start)
            lines = log.read().decode(errors="replace").splitlines()
        told = [line for line in lines if not line.startswith("go: downloading ")]
        tail = "\n".join(f"    {line}" for line in told[-_TAIL:])
        return f"“go {arguments[0]} {arguments[-1]}” failed:\n{tail}\nThe whole log: {self.log}"
