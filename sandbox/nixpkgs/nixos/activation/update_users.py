"""Makes /etc/passwd, group and shadow what the configuration says. Usage: update_users.py SPEC.json

A number once given to a name stays with it for ever (in /var/lib/nixos), so that nobody inherits the files of
a user who is gone. With immutable users, whoever is not declared is taken away.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TypedDict

STATE = Path("/var/lib/nixos")
ETC = Path("/etc")


class User(TypedDict):
    """One declared user."""

    name: str
    description: str
    uid: int | None
    group: str
    home: str
    homeMode: str
    createHome: bool
    isSystemUser: bool
    shell: str
    hashedPassword: str | None
    hashedPasswordFile: str | None
    initialHashedPassword: str | None
    plain: str | None


class Group(TypedDict):
    """One declared group."""

    name: str
    gid: int | None
    members: list[str]


class Spec(TypedDict):
    """The configuration's users and groups."""

    mutableUsers: bool
    users: list[User]
    groups: list[Group]


def read_table(name: str) -> dict[str, list[str]]:
    """The lines of /etc/passwd and its like, by their first field."""
    path = ETC / name
    lines = path.read_text().splitlines() if path.exists() else []
    return {line.split(":")[0]: line.split(":") for line in lines if line}


def write(path: Path, text: str, mode: int, group: int = 0) -> None:
    """Replace a file in one step."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(text)
    os.chown(temporary, 0, group)
    temporary.chmod(mode)
    temporary.rename(path)


class Numbers:
    """Numbers of users or of groups: declared ones, remembered ones, and free ones for the others."""

    def __init__(self, kind: str, declared: set[int], existing: dict[str, int]) -> None:
        self.file = STATE / f"{kind}-map"
        self.known: dict[str, int] = json.loads(self.file.read_text()) if self.file.exists() else {}
        self.existing = existing
        self.used = declared | set(existing.values()) | set(self.known.values())

    def allocate(self, name: str, system: bool) -> int:
        """The number of a name that declares none."""
        number = self.existing.get(name, self.known.get(name))
        if number is None:
            candidates = range(999, 399, -1) if system else range(1000, 30000)
            number = next(n for n in candidates if n not in self.used)
        self.known[name] = number
        self.used.add(number)
        return number

    def save(self) -> None:
        """Remember, for generations to come."""
        write(self.file, json.dumps(self.known, indent=1, sort_keys=True) + "\n", 0o644)


def hashed(user: User, before: str | None, mutable: bool) -> str:
    """The password field: declared, else as it was, else what a new user starts with, else none."""
    if user["hashedPasswordFile"]:
        return Path(user["hashedPasswordFile"]).read_text().strip()
    if user["hashedPassword"] is not None and (not mutable or before is None):
        return user["hashedPassword"]
    if mutable and before is not None:
        return before
    if user["plain"] is not None:
        command = ["/usr/bin/openssl", "passwd", "-6", "-stdin"]
        result = subprocess.run(
            command, input=user["plain"], text=True, stdout=subprocess.PIPE, check=True
        )
        return result.stdout.strip()
    return user["initialHashedPassword"] or "!"


def update(spec: Spec) -> None:
    """Write the three files, and make the homes that are missing."""
    STATE.mkdir(parents=True, exist_ok=True)
    mutable = spec["mutableUsers"]
    passwd, group, shadow = (read_table(name) for name in ("passwd", "group", "shadow"))

    gids = Numbers(
        "gid",
        {g["gid"] for g in spec["groups"] if g["gid"] is not None},
        {name: int(fields[2]) for name, fields in group.items()},
    )
    groups = {
        g["name"]: (
            g["gid"] if g["gid"] is not None else gids.allocate(g["name"], True),
            g["members"],
        )
        for g in spec["groups"]
    }
    if mutable:
        for name, fields in group.items():
            groups.setdefault(name, (int(fields[2]), [m for m in fields[3].split(",") if m]))
    gids.save()

    uids = Numbers(
        "uid",
        {u["uid"] for u in spec["users"] if u["uid"] is not None},
        {name: int(fields[2]) for name, fields in passwd.items()},
    )
    users: dict[str, list[str]] = {}
    shadows: dict[str, list[str]] = {}
    for user in spec["users"]:
        name = user["name"]
        uid = user["uid"] if user["uid"] is not None else uids.allocate(name, user["isSystemUser"])
        gid = groups[user["group"]][0]
        users[name] = [
            name,
            "x",
            str(uid),
            str(gid),
            user["description"],
            user["home"],
            user["shell"],
        ]
        before = shadow.get(name)
        password = hashed(user, before[1] if before else None, mutable)
        shadows[name] = [name, password, *(before[2:] if before else ["1", "", "", "", "", "", ""])]
        home = Path(user["home"])
        if user["createHome"] and not home.exists():
            home.mkdir(parents=True)
            os.chown(home, uid, gid)
            home.chmod(int(user["homeMode"], 8))
    if mutable:
        users = {**{name: fields for name, fields in passwd.items() if name not in users}, **users}
        shadows = {**{name: fields for name, fields in shadow.items() if name in users}, **shadows}
    uids.save()

    ordered = sorted(users.values(), key=lambda fields: (int(fields[2]), fields[0]))
    write(ETC / "passwd", "".join(":".join(fields) + "\n" for fields in ordered), 0o644)
    by_gid = sorted(groups.items(), key=lambda item: (item[1][0], item[0]))
    lines = (f"{name}:x:{gid}:{','.join(members)}\n" for name, (gid, members) in by_gid)
    write(ETC / "group", "".join(lines), 0o644)
    shadow_text = "".join(
        ":".join(shadows[fields[0]]) + "\n" for fields in ordered if fields[0] in shadows
    )
    write(ETC / "shadow", shadow_text, 0o640, groups.get("shadow", (0, []))[0])
    Path("/root").mkdir(mode=0o700, exist_ok=True)


if __name__ == "__main__":
    update(json.loads(Path(sys.argv[1]).read_text()))
