"""A copy of this repository, as somebody has it who edits nix/."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from sandbox.paths import REPO


class Project:
    """The copy, and what was edited in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._edited: dict[str, str | None] = {}
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=REPO,
            capture_output=True,
            text=True,
            check=True,
        )
        for name in listed.stdout.rstrip("\0").split("\0"):
            if (REPO / name).is_file():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(REPO / name, path / name)

    def edit(self, name: str, old: str, new: str) -> None:
        """Put `new` into the place of `old`, which is in the file once."""
        text = (self.path / name).read_text()
        assert text.count(old) == 1, f"{name} has {old!r} {text.count(old)} times"
        self._edited.setdefault(name, text)
        (self.path / name).write_text(text.replace(old, new))

    def keep(self, name: str, old: str, new: str) -> None:
        """The same for good: it is not taken back by `reset`."""
        self.edit(name, old, new)
        before = self._edited[name]
        assert before is not None and before.count(old) == 1
        self._edited[name] = before.replace(old, new)

    def module(self, name: str, text: str) -> None:
        """Add a NixOS module to the configuration."""
        path = f"nix/{name}.nix"
        self._edited[path] = None
        (self.path / path).write_text(text)
        self.edit("nix/configuration.nix", "  ];\n", f"    ./{name}.nix\n  ];\n")

    def reset(self) -> None:
        """Take every edit back."""
        for name, text in self._edited.items():
            if text is None:
                (self.path / name).unlink()
            else:
                (self.path / name).write_text(text)
        self._edited.clear()
