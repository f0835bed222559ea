"""Gixy-Next in the versions that nixpkgs has had, asked about nginx.conf as a build there asks it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.paths import CACHE
from tests.nix.programs import run

# nixpkgs' own, by the hashes of their wheels, and the newest, which requirements-dev.txt has.
_WHEELS = {
    "0.7.1": "9ae75a8d9b2d41b87b4d383ac12e54a0ce75e8c8de1d072c2993777b4e45d7aa",
    "0.8.0": "2a7d0f6bd3a03b66be0ef4ee9bf0ffee82407e77aebae01f00cb238b1d1117e0",
}
HERE = version("gixy-next")
VERSIONS = (*(known for known in _WHEELS if known != HERE), HERE)

# Why, nix/web.nix.j2 says.
_MEANT = "proxy_buffering_off"

_PROGRAM = """
import sys
from gixy.cli.main import main
sys.exit(main())
"""


def said_by(asked: str, files: Iterable[Path]) -> str:
    """What a version finds wrong in files of nginx, but for what is meant. Empty where that is nothing.

    Raises:
        AssertionError: it could not read a file.
        SandboxError: it was not in the cache, and could not be fetched.
    """
    path = "" if asked == HERE else str(_fetched(asked))
    done = run(sys.executable, "-c", _PROGRAM, "--skips", _MEANT, *files, PYTHONPATH=path)
    # It reports nothing, too, where it could read nothing, or not what is included.
    assert done.returncode in (0, 1), done.stderr
    assert "Results" in done.stdout, done.stderr
    assert done.stderr == ""
    return done.stdout if done.returncode else ""


def ensure() -> None:
    """Fetch every version that the cache lacks: with a clock that is years ahead, nothing can be fetched.

    Raises:
        SandboxError: one could not be fetched.
    """
    for known in VERSIONS:
        if known != HERE:
            _fetched(known)


def _fetched(asked: str) -> Path:
    """The folder in the cache that has a version, without what it needs: that is here."""
    folder = CACHE / "gixy" / f"{asked}-{_WHEELS[asked][:8]}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as making:
            wanted = Path(making) / "requirements.txt"
            wanted.write_text(f"gixy-next=={asked} --hash=sha256:{_WHEELS[asked]}\n")
            pip = [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--only-binary=:all:",
            ]
            where = ["--require-hashes", f"--requirement={wanted}", f"--target={making}/made"]
            done = subprocess.run([*pip, *where], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise SandboxError(
                    f"Gixy-Next {asked} could not be fetched by pip: {done.stderr.strip()}"
                )
            try:
                (Path(making) / "made").rename(folder)
            except OSError:
                # Another test's process was faster.
                assert folder.exists()
    return folder
