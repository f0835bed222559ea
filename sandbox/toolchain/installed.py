"""What the computer has already."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from .versions import ENGINE, PLUGINS, RCLONE

_PATIENCE = 5.0  # seconds for a program to tell its version


def _home() -> Path:
    return Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")


def engine() -> Mapping[str, Path] | None:
    """Pulumi with its Python language host, if it is as new as the SDK."""
    for pulumi in _programs("pulumi", _home() / "bin" / "pulumi"):
        names = ("pulumi", "pulumi-language-python", "pulumi-language-python-exec")
        files = {name: pulumi.resolve().parent / name for name in names}
        told = _first_line(pulumi, "version")
        if all(file.exists() for file in files.values()) and _new_enough(told, ENGINE):
            return files
    return None


def plugin(name: str) -> Callable[[], Mapping[str, Path] | None]:
    """Finds a plugin in exactly our version among the user's own: only the official one gets there."""
    program = f"pulumi-resource-{name}"

    def find() -> Mapping[str, Path] | None:
        file = _home() / "plugins" / f"resource-{name}-v{PLUGINS[name]}" / program
        return {program: file} if file.exists() else None

    return find


def rclone() -> Mapping[str, Path] | None:
    """rclone, if it is new enough and static: it runs in machines with a C library of their own."""
    for program in _programs("rclone"):
        told = _output(program, "version")
        if "go/linking: static" in told and _new_enough(told.partition("\n")[0], RCLONE):
            return {"rclone": program}
    return None


def _programs(name: str, *more: Path) -> Iterable[Path]:
    found = shutil.which(name)
    return [*([Path(found)] if found else []), *(path for path in more if path.exists())]


def _first_line(program: Path, *arguments: str) -> str:
    return _output(program, *arguments).partition("\n")[0]


def _output(program: Path, *arguments: str) -> str:
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"}
    try:
        return subprocess.run(
            [program, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _new_enough(told: str, wanted: str) -> bool:
    found = re.search(r"v(\d+)\.(\d+)\.(\d+)", told)
    if not found:
        return False
    have, want = tuple(map(int, found.groups())), tuple(map(int, wanted.split(".")))
    return have[0] == want[0] and have >= want
