"""Lays a generation's /etc/static under /etc. Usage: setup_etc.py STORE_ETC

Files of the generation are links into /etc/static, or copies where they have a mode of their own. What an
earlier generation laid there and this one does not is taken away; everything else is left alone.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import sys
from pathlib import Path

ETC = Path("/etc")
STATIC = ETC / "static"
CLEAN = ETC / ".clean"
SUFFIXES = (".mode", ".uid", ".gid")


def replace_link(link: Path, target: str) -> None:
    """Make link point at target in one step."""
    if link.is_symlink() and os.readlink(link) == target:
        return
    if link.is_dir() and not link.is_symlink():
        if any(link.iterdir()):
            print(f"{link} is a directory with files of its own; it stays", file=sys.stderr)
            return
        link.rmdir()
    temporary = link.with_name(f".{link.name}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.rename(link)


def owner(name: str, kind: str) -> int:
    """A user's or group's number, given as a name or as +NUMBER."""
    if name.startswith("+"):
        return int(name[1:])
    return pwd.getpwnam(name).pw_uid if kind == "uid" else grp.getgrnam(name).gr_gid


def copy(source: Path, target: Path, entry: Path) -> None:
    """Copy a file with the mode and owners that are written beside its entry in the tree."""

    def beside(suffix: str) -> str:
        return entry.with_name(entry.name + suffix).read_text()

    temporary = target.with_name(f".{target.name}.tmp")
    shutil.copyfile(source, temporary)
    os.chown(temporary, owner(beside(".uid"), "uid"), owner(beside(".gid"), "gid"))
    temporary.chmod(int(beside(".mode"), 8))
    temporary.rename(target)


def entries(tree: Path) -> list[Path]:
    """Everything in the tree that is not a real directory, relative to it."""
    found = []
    for folder, folders, names in os.walk(tree):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        found += [(Path(folder) / name).relative_to(tree) for name in names + links]
    return sorted(found)


def remove_stale(tree: Path) -> None:
    """Take away links into /etc/static that the new tree has no more."""
    for folder, folders, names in os.walk(ETC):
        if Path(folder) == ETC:
            folders[:] = [name for name in folders if name not in ("static", "nixos", "nixos.next")]
        for name in names + folders:
            path = Path(folder) / name
            if path.is_symlink() and os.readlink(path).startswith("/etc/static/"):
                relative = os.readlink(path).removeprefix("/etc/static/")
                if not os.path.lexists(tree / relative) or path != ETC / relative:
                    path.unlink()


def lay(tree: Path) -> None:
    """Lay the tree under /etc."""
    ETC.mkdir(exist_ok=True)
    replace_link(STATIC, str(tree))
    remove_stale(tree)

    before = CLEAN.read_text().splitlines() if CLEAN.exists() else []
    copied = []
    for relative in entries(tree):
        source, target = tree / relative, ETC / relative
        if relative.suffix in SUFFIXES and os.path.lexists(source.with_suffix("")):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = source.with_name(source.name + ".mode")
        if not mode.exists():
            replace_link(target, f"/etc/static/{relative}")
        elif mode.read_text() == "direct-symlink":
            replace_link(target, os.readlink(source))
        else:
            if target.is_symlink():
                target.unlink()
            copy(source, target, source)
            copied.append(str(relative))
    for relative_text in set(before) - set(copied):
        stale = ETC / relative_text
        if not stale.is_symlink():
            stale.unlink(missing_ok=True)
    CLEAN.write_text("".join(f"{line}\n" for line in copied))
    (ETC / "NIXOS").touch()


if __name__ == "__main__":
    lay(Path(sys.argv[1]))
