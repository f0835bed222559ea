"""Units as their files say them, and what a change of one calls for."""

from __future__ import annotations

import re
from pathlib import Path

# Debian's own units, on which NixOS's lie.
BENEATH = Path("/usr/lib/systemd/system")

Sections = dict[str, dict[str, list[str]]]
# Changes of these need no restart.
IGNORED = {
    "Description",
    "Documentation",
    "OnFailure",
    "OnSuccess",
    "OnFailureJobMode",
    "SourcePath",
}


def parse(text: str, into: Sections) -> None:
    """Read a unit's text; an empty value takes away what came before it."""
    section: dict[str, list[str]] = {}
    for line in text.splitlines():
        if not line or line.startswith(("#", ";")):
            continue
        if line.startswith("["):
            section = into.setdefault(line.strip("[]"), {})
            continue
        key, _, value = line.partition("=")
        if value == "":
            section.pop(key, None)
        else:
            section.setdefault(key, []).append(value)


def read_unit(folder: Path, name: str) -> Sections:
    """A unit's sections, with what the configuration lays over them."""
    sections: Sections = {}
    for path in (folder / name, folder / f"{name}.d" / "overrides.conf"):
        if path.exists() and path.resolve() != Path("/dev/null"):
            parse(path.read_text(), sections)
    return sections


def says(sections: Sections, section: str, key: str, *, default: bool) -> bool:
    """A yes or no that a unit says to us or to systemd."""
    values = sections.get(section, {}).get(key)
    return default if not values else values[-1].lower() in {"1", "yes", "true", "on"}


def defined(folder: Path, name: str) -> bool:
    """Whether a folder of units has the unit, or lays something over it."""
    path = folder / name
    if path.exists() and path.resolve() == Path("/dev/null"):
        return False
    return path.exists() or (folder / f"{name}.d" / "overrides.conf").exists()


def base_name(name: str, folder: Path) -> str:
    """The file of a unit: for an instance without a file of its own, its template's."""
    match = re.fullmatch(r"(.*)@[^.]*(\..*)", name)
    if match and not defined(folder, name):
        return f"{match[1]}@{match[2]}"
    return name


def compare(old: Sections, new: Sections) -> str:
    """What a change of a unit calls for: "nothing", "reload" or "restart"."""
    result = "nothing"
    for section in old.keys() | new.keys():
        if section == "Install":
            continue
        before, after = old.get(section, {}), new.get(section, {})
        for key in before.keys() | after.keys():
            if before.get(key) == after.get(key) or (section == "Unit" and key in IGNORED):
                continue
            if (section, key) in (("Unit", "X-Reload-Triggers"), ("Mount", "Options")):
                result = "reload"
            else:
                return "restart"
    return result
