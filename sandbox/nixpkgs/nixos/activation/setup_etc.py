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

_BESIDE = (".mode", ".uid", ".gid")


def replace_link(link: Path, target: str) -> None:
    """Make link point at target in one step. A folder with files of its own stays as it is."""
    if link.is_symlink() and str(link.readlink()) == target:
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


def _number(name: str, kind: str) -> int:
    """A user's or group's number, given as a name or as +NUMBER."""
    if name.startswith("+"):
        return int(name[1:])
    return pwd.getpwnam(name).pw_uid if kind == ".uid" else grp.getgrnam(name).gr_gid


def _copy(entry: Path, target: Path) -> None:
    """Copy a file with the mode and the owners that are written beside its entry in the tree."""
    mode, uid, gid = (entry.with_name(entry.name + kind).read_text() for kind in _BESIDE)
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.copyfile(entry, temporary)
    os.chown(temporary, _number(uid, ".uid"), _number(gid, ".gid"))
    temporary.chmod(int(mode, 8))
    temporary.rename(target)


def _entries(tree: Path) -> list[Path]:
    """Everything in the tree that is not a real folder, relative to it."""
    found = []
    for folder, folders, names in os.walk(tree):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        found += [(Path(folder) / name).relative_to(tree) for name in names + links]
    return sorted(found)


def _remove_stale(tree: Path, etc: Path) -> None:
    """Take away links into /etc/static that the new tree does not have in that place."""
    for folder, folders, names in os.walk(etc):
        if Path(folder) == etc and "static" in folders:
            folders.remove("static")
        for path in (Path(folder) / name for name in names + folders):
            if not path.is_symlink() or not str(path.readlink()).startswith("/etc/static/"):
                continue
            entry = tree / path.relative_to(etc)
            if not entry.is_symlink():
                path.unlink()


def lay(tree: Path, etc: Path) -> None:
    """Lay the tree under etc, which is /etc but in tests."""
    replace_link(etc / "static", str(tree))
    _remove_stale(tree, etc)

    copied = []
    for relative in _entries(tree):
        entry, target = tree / relative, etc / relative
        if relative.suffix in _BESIDE and os.path.lexists(entry.with_suffix("")):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = entry.with_name(entry.name + ".mode")
        if not mode.exists():
            replace_link(target, f"/etc/static/{relative}")
        elif mode.read_text() == "direct-symlink":
            replace_link(target, str(entry.readlink()))
        else:
            _copy(entry, target)
            copied.append(str(relative))

    remembered = etc / ".clean"
    before = remembered.read_text().splitlines() if remembered.exists() else []
    for name in set(before) - set(copied):
        if not (etc / name).is_symlink():
            (etc / name).unlink(missing_ok=True)
    remembered.write_text("".join(f"{name}\n" for name in copied))
    (etc / "NIXOS").touch()


if __name__ == "__main__":
    lay(Path(sys.argv[1]), Path("/etc"))
