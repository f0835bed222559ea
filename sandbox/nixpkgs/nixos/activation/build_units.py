"""Builds /etc/systemd/system. Usage: build_units.py UNITS.json KEPT DEFAULT_UNIT OUT [SUPPRESSED…]

Debian's units lie beneath, in /usr/lib/systemd/system. systemd's own among them stay (those that are named
systemd-*, its targets, slices and mounts, and those that KEPT lists); what other packages of Debian's brought
is masked, so that nothing runs that NixOS would not run.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TypedDict

DEBIAN = Path("/usr/lib/systemd/system")
# systemd's own units that NixOS does not run.
UNWANTED = {
    "getty-static.service",
    "ldconfig.service",
    "systemd-firstboot.service",
    "systemd-homed-firstboot.service",
    "systemd-initctl.socket",
    "systemd-sysusers.service",
}


class Unit(TypedDict):
    """One entry of the option systemd.units."""

    name: str
    text: str | None
    enable: bool
    aliases: list[str]
    wantedBy: list[str]
    requiredBy: list[str]
    upheldBy: list[str]
    overrideStrategy: str


def systemds_own(name: str, kept: set[str]) -> bool:
    """Whether a unit beneath is one that a NixOS has as well."""
    return (
        name.startswith(("systemd-", "dbus-org.freedesktop."))
        or name.endswith((".target", ".slice", ".mount", ".automount"))
        or name in kept
    )


def link(path: Path, target: str) -> None:
    """Make a link, and the folder that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_symlink():
        path.symlink_to(target)


def add(unit: Unit, out: Path, kept: set[str]) -> None:
    """Write a unit, or what it changes in systemd's own of that name, and the links that start it."""
    name = unit["name"]
    beneath = (DEBIAN / name).exists() and systemds_own(name, kept)
    if not unit["enable"]:
        link(out / name, "/dev/null")
        return
    if unit["overrideStrategy"] == "asDropin" or beneath:
        (out / f"{name}.d").mkdir(parents=True, exist_ok=True)
        (out / f"{name}.d" / "overrides.conf").write_text(unit["text"] or "")
    else:
        (out / name).write_text(unit["text"] or "")
    for alias in unit["aliases"]:
        link(out / alias, name)
    for relation, targets in (
        ("wants", unit["wantedBy"]),
        ("requires", unit["requiredBy"]),
        ("upholds", unit["upheldBy"]),
    ):
        for target in targets:
            link(out / f"{target}.{relation}" / name, f"../{name}")


def build(units: list[Unit], kept: set[str], suppressed: set[str], default: str, out: Path) -> None:
    """Build the folder: first the declared units, then the masks for what is left of Debian's."""
    out.mkdir()
    link(out / "default.target", str(DEBIAN / default))
    for unit in units:
        add(unit, out, kept)
    beneath = sorted(path.name for path in DEBIAN.iterdir()) if DEBIAN.is_dir() else []
    for name in beneath:
        if name.endswith((".d", ".wants", ".requires")) or (out / name).exists():
            continue
        if name in UNWANTED | suppressed or not systemds_own(name, kept):
            link(out / name, "/dev/null")


if __name__ == "__main__":
    build(
        json.loads(Path(sys.argv[1]).read_text()),
        set(Path(sys.argv[2]).read_text().split()),
        set(sys.argv[5:]),
        sys.argv[3],
        Path(sys.argv[4]),
    )
