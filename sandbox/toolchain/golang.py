"""The Go compiler, and builds with it."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from ..world.process import DIES_WITH_US

GO = Path(sysconfig.get_path("purelib")) / "go/bin/go"
"""The Go of requirements-dev.txt, whatever the computer has."""

_WAY = {
    *("GOPROXY", "GOSUMDB", "GOAUTH", "GOINSECURE"),
    *("GOPRIVATE", "GONOPROXY", "GONOSUMDB"),
}
"""The variables that say from where modules come. What comes is held against go.sum in any case."""

_TAIL = 15
_SECONDS = 3600


class BuildError(Exception):
    """A step of a build failed; the text says which, shows the end of its log and where the rest is."""


@dataclass(frozen=True)
class Workshop:
    """A copy of our Go sources to build one tool in, with a log of all that was done there."""

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
        command = [*DIES_WITH_US, str(GO), *arguments]
        with self.log.open("ab") as log:
            log.write(f"$ go {' '.join(arguments)}\n".encode())
            log.flush()
            start = log.tell()
            try:
                result = subprocess.run(
                    command,
                    cwd=self.source / module,
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    timeout=_SECONDS,
                )
            except subprocess.TimeoutExpired:
                log.write(f"It did not end within {_SECONDS} seconds, and was stopped.\n".encode())
                log.flush()
                raise BuildError(self._failure(arguments, start)) from None
        if result.returncode != 0:
            raise BuildError(self._failure(arguments, start))
        return result.stdout

    def _environment(self) -> dict[str, str]:
        # What somebody has set for a Go of their own would make other programs than elsewhere.
        others = {
            key: value
            for key, value in os.environ.items()
            if key in _WAY or not key.startswith(("GO", "CGO_"))
        }
        return {
            **others,
            "GOENV": "off",
            "GOMODCACHE": str(self.caches / "mod"),
            "GOCACHE": str(self.caches / "build"),
            # Static programs: a C compiler is not needed, and rclone runs in a machine whose
            # C library is not ours.
            "CGO_ENABLED": "0",
            # With a cache that can be deleted.
            "GOFLAGS": "-buildvcs=false -modcacherw",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
        }

    def _failure(self, arguments: tuple[str, ...], start: int) -> str:
        with self.log.open("rb") as log:
            log.seek(start)
            lines = log.read().decode(errors="replace").splitlines()
        told = [line for line in lines if not line.startswith("go: downloading ")]
        tail = "\n".join(f"    {line}" for line in told[-_TAIL:])
        return f"“go {arguments[0]} {arguments[-1]}” failed:\n{tail}\nThe whole log: {self.log}"
