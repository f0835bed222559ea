"""Where the tools are once they have been prepared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .versions import PLUGINS


@dataclass(frozen=True)
class Toolchain:
    """The programs of the sandbox."""

    pulumi: Path
    """The engine; its Python language host lies beside it."""

    plugins: Mapping[str, Path]
    """The plugins' programs by the plugins' names: hcloud, command, random."""

    rclone: Path
    pebble: Path
    challenge_server: Path
    actionlint: Path

    @property
    def bin(self) -> Path:
        """The directory that belongs on PATH for the engine to be found, and to find its host."""
        return self.pulumi.parent

    def install_plugins(self, pulumi_home: Path) -> None:
        """Put the plugins where an engine with this PULUMI_HOME looks for installed ones."""
        for name, program in self.plugins.items():
            directory = pulumi_home / "plugins" / f"resource-{name}-v{PLUGINS[name]}"
            directory.mkdir(parents=True, exist_ok=True)
            link = directory / program.name
            if not link.is_symlink() or link.readlink() != program:
                link.unlink(missing_ok=True)
                link.symlink_to(program)
