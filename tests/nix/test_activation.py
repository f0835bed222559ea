"""What brings a generation of the miniature NixOS to life: /etc, users, units, and the switch itself."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from sandbox.nixpkgs.nixos.activation import (
    build_etc,
    build_units,
    install_grub,
    setup_etc,
    update_users,
)
from sandbox.nixpkgs.nixos.activation.switch.plan import Plan, make_plan
from sandbox.nixpkgs.nixos.activation.switch.systemd import State
from sandbox.nixpkgs.nixos.activation.switch.units import compare, parse

ACTIVE = State("active", "running")

# --- the switch


def units(folder: Path, texts: dict[str, str]) -> Path:
    """A generation's folder of units."""
    folder.mkdir()
    for name, text in texts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def plan(
    tmp_path: Path, old: dict[str, str], new: dict[str, str], active: dict[str, State] | None = None
) -> Plan:
    """What is planned from one generation to the next; by default all of the old one is up."""
    return make_plan(
        units(tmp_path / "old", old),
        units(tmp_path / "new", new),
        active or dict.fromkeys(old, ACTIVE),
        lambda _: False,
    )


def service(text: str, settings: str = "") -> str:
    return f"[Unit]\nDescription=d\n\n[Service]\n{settings}ExecStart={text}\n"


def test_what_is_the_same_is_left_alone(tmp_path: Path) -> None:
    same = {"a.service": service("/a"), "b.timer": "[Timer]\nOnCalendar=daily\n"}
    assert plan(tmp_path, same, same) == Plan()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("", Plan(stop={"a.service"}, start={"a.service"})),
        ("X-StopIfChanged=false\n", Plan(restart={"a.service"})),
        ("X-ReloadIfChanged=true\n", Plan(reload={"a.service"})),
        ("X-RestartIfChanged=false\n", Plan(skip={"a.service"})),
    ],
)
def test_a_changed_service(tmp_path: Path, settings: str, expected: Plan) -> None:
    old = {"a.service": service("/old", settings), "b.service": service("/b")}
    new = {"a.service": service("/new", settings), "b.service": service("/b")}
    assert plan(tmp_path, old, new) == expected


def test_a_changed_service_that_is_not_up_stays_down(tmp_path: Path) -> None:
    old, new = {"a.service": service("/old")}, {"a.service": service("/new")}
    assert plan(tmp_path, old, new, {"b.service": ACTIVE}) == Plan()


def test_a_service_that_is_gone_or_switched_off_is_stopped(tmp_path: Path) -> None:
    old = {"a.service": service("/a"), "b.service": service("/b"), "c.service": service("/c")}
    new = units(tmp_path / "new", {"c.service": service("/c")})
    (new / "b.service").symlink_to("/dev/null")
    found = make_plan(
        units(tmp_path / "old", old), new, dict.fromkeys(old, ACTIVE), lambda _: False
    )
    assert found == Plan(stop={"a.service", "b.service"})


def test_systemds_own_unit_is_restarted_when_what_lies_over_it_changes(tmp_path: Path) -> None:
    name = "systemd-networkd.service"
    old = {
        f"{name}.d/overrides.conf": "[Unit]\nX-Restart-Triggers=1\n[Service]\nX-StopIfChanged=false\n"
    }
    new = {
        f"{name}.d/overrides.conf": "[Unit]\nX-Restart-Triggers=2\n[Service]\nX-StopIfChanged=false\n"
    }
    assert plan(tmp_path, old, new, {name: ACTIVE}) == Plan(restart={name})


def test_an_instance_is_compared_by_its_template(tmp_path: Path) -> None:
    old, new = {"a@.service": service("/old")}, {"a@.service": service("/new")}
    found = plan(tmp_path, old, new, {"a@one.service": ACTIVE})
    assert found == Plan(stop={"a@one.service"}, start={"a@one.service"})


def test_a_service_with_a_socket_starts_by_it(tmp_path: Path) -> None:
    socket = {"a.socket": "[Socket]\nListenStream=/run/a\n"}
    old, new = {"a.service": service("/old"), **socket}, {"a.service": service("/new"), **socket}
    assert plan(tmp_path, old, new) == Plan(stop={"a.service", "a.socket"}, start={"a.socket"})


def test_targets_that_are_up_are_started_again_for_what_is_new(tmp_path: Path) -> None:
    target = {"multi-user.target": "[Unit]\n"}
    found = plan(tmp_path, target, {**target, "new.service": service("/new")})
    assert found == Plan(start={"multi-user.target"}, quiet={"multi-user.target"})


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("[Unit]\nDescription=a\n", "[Unit]\nDescription=b\n", "nothing"),
        ("[Unit]\nAfter=a.service\n", "[Unit]\nAfter=b.service\n", "restart"),
        ("[Unit]\nX-Restart-Triggers=a\n", "[Unit]\nX-Restart-Triggers=b\n", "restart"),
        ("[Unit]\nX-Reload-Triggers=a\n", "[Unit]\nX-Reload-Triggers=b\n", "reload"),
        ("[Service]\nExecStart=/a\n", "[Service]\nExecStart=/a\nEnvironment=B=1\n", "restart"),
        ("[Service]\nUser=a\n# said twice\nUser=a\n", "[Service]\nUser=a\n", "restart"),
        (
            "[Service]\nExecStart=/x\nExecStart=\nExecStart=/a\n",
            "[Service]\nExecStart=/a\n",
            "nothing",
        ),
        ("[Install]\nWantedBy=a.target\n", "[Install]\nWantedBy=b.target\n", "nothing"),
    ],
)
def test_what_a_change_calls_for(before: str, after: str, expected: str) -> None:
    old: dict[str, dict[str, list[str]]] = {}
    new: dict[str, dict[str, list[str]]] = {}
    parse(before, old)
    parse(after, new)
    assert compare(old, new) == expected


# --- /etc


def tree(folder: Path, files: dict[str, str | tuple[str, str]]) -> Path:
    """A generation's /etc: texts, or texts with a mode, by their places."""
    specs = []
    for number, (target, content) in enumerate(files.items()):
        text, mode = content if isinstance(content, tuple) else (content, "symlink")
        source = folder / f"source-{number}"
        source.parent.mkdir(exist_ok=True)
        source.write_text(text)
        owners = {"user": f"+{os.getuid()}", "group": f"+{os.getgid()}"}
        specs.append({"target": target, "source": str(source), "mode": mode, **owners})
    build_etc.build(specs, folder / "out")
    return folder / "out/etc"


def test_etc_follows_the_generation_and_leaves_the_rest(tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "mine").write_text("mine")
    first = tree(
        tmp_path / "first",
        {
            "kept": "1",
            "gone/deep": "1",
            "secret": ("1", "0440"),
            "loose": ("1", "0644"),
            "shape": "1",
        },
    )
    second = tree(tmp_path / "second", {"kept": "2", "secret": ("2", "0400"), "shape/inner": "2"})

    setup_etc.lay(first, etc)
    assert (etc / "kept").readlink() == Path("/etc/static/kept")
    assert (etc / "static/kept").read_text() == "1"
    assert (etc / "secret").read_text() == "1"
    assert stat.S_IMODE((etc / "secret").lstat().st_mode) == 0o440

    setup_etc.lay(second, etc)
    assert (etc / "static/kept").read_text() == "2"
    assert stat.S_IMODE((etc / "secret").lstat().st_mode) == 0o400
    assert (etc / "secret").read_text() == "2"
    assert not os.path.lexists(etc / "gone/deep")
    assert not os.path.lexists(etc / "loose")
    assert (etc / "shape/inner").readlink() == Path("/etc/static/shape/inner")
    assert (etc / "mine").read_text() == "mine"
    assert (etc / "NIXOS").exists()

    setup_etc.lay(first, etc)
    assert (etc / "static/kept").read_text() == "1"
    assert (etc / "loose").read_text() == "1"


def test_two_files_in_one_place_are_refused(tmp_path: Path) -> None:
    specs = [{"target": "a", "source": source, "mode": "symlink"} for source in ("/x", "/y")]
    with pytest.raises(SystemExit, match=r"duplicate entry in environment\.etc: a"):
        build_etc.build(specs, tmp_path / "out")


# --- users


def user(name: str, **changed: object) -> dict[str, object]:
    plain = {"hashedPasswordFile": None, "initialHashedPassword": None, "plain": None}
    return {
        **{"name": name, "description": "", "uid": None, "group": "users", "home": "/var/empty"},
        **{"homeMode": "700", "createHome": False, "isSystemUser": False, "shell": "/bin/sh"},
        **{"hashedPassword": None, **plain},
        **changed,
    }


def group(name: str, gid: int | None = None, *members: str) -> dict[str, object]:
    return {"name": name, "gid": gid, "members": list(members)}


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An /etc of its own, whose files belong to whoever runs the tests."""
    (tmp_path / "etc").mkdir()
    monkeypatch.setattr(update_users, "ETC", tmp_path / "etc")
    monkeypatch.setattr(update_users, "STATE", tmp_path / "state")
    monkeypatch.setattr(os, "chown", lambda *_: None)
    return tmp_path / "etc"


def update(mutable: bool, users: list[dict[str, object]], *groups: dict[str, object]) -> None:
    spec = {"mutableUsers": mutable, "users": users, "groups": [group("users", 100), *groups]}
    loaded: update_users.Spec = json.loads(json.dumps(spec))
    update_users.update(loaded)


def fields(etc: Path, table: str) -> dict[str, list[str]]:
    lines = (etc / table).read_text().splitlines()
    return {line.split(":")[0]: line.split(":")[1:] for line in lines}


def test_users_are_what_is_declared(etc: Path) -> None:
    update(
        False,
        [user("root", uid=0, hashedPassword="!"), user("ada"), user("svc", isSystemUser=True)],
        group("wheel", 1, "ada"),
        group("svc"),
    )
    assert {name: entry[1] for name, entry in fields(etc, "passwd").items()} == {
        "root": "0",
        "ada": "1000",
        "svc": "999",
    }
    assert {name: entry[0] for name, entry in fields(etc, "shadow").items()} == {
        "root": "!",
        "ada": "!",
        "svc": "!",
    }
    assert fields(etc, "group")["wheel"] == ["x", "1", "ada"]
    assert stat.S_IMODE((etc / "shadow").stat().st_mode) == 0o640


def test_a_number_is_never_given_to_somebody_else(etc: Path) -> None:
    update(False, [user("ada"), user("bob")])
    update(False, [user("bob")])
    update(False, [user("bob"), user("eve")])
    assert {name: entry[1] for name, entry in fields(etc, "passwd").items()} == {
        "bob": "1001",
        "eve": "1002",
    }
    update(False, [user("ada"), user("eve")])
    assert {name: entry[1] for name, entry in fields(etc, "passwd").items()} == {
        "ada": "1000",
        "eve": "1002",
    }


def test_mutable_users_keep_what_was_made_by_hand(etc: Path) -> None:
    update(True, [user("ada", hashedPassword="first")])
    text = (etc / "passwd").read_text()
    (etc / "passwd").write_text(text + "guest:x:2000:100::/home/guest:/bin/sh\n")
    (etc / "shadow").write_text((etc / "shadow").read_text().replace("first", "changed"))

    update(True, [user("ada", hashedPassword="first")])
    assert fields(etc, "passwd")["guest"][1] == "2000"
    assert fields(etc, "shadow")["ada"][0] == "changed"

    update(False, [user("ada", hashedPassword="first")])
    assert "guest" not in fields(etc, "passwd")
    assert fields(etc, "shadow")["ada"][0] == "first"


# --- units and the boot loader


def test_units_lie_over_debians(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    debian = units(
        tmp_path / "debian",
        {
            "nginx.service": "",
            "ssh.service": "",
            "systemd-networkd.service": "",
            "multi-user.target": "",
            "getty@.service": "",
        },
    )
    monkeypatch.setattr(build_units, "DEBIAN", debian)

    def unit(name: str, **changed: object) -> build_units.Unit:
        relations: dict[str, object] = {
            "wantedBy": [],
            "requiredBy": [],
            "upheldBy": [],
            "aliases": [],
        }
        made = {"name": name, "text": name, "enable": True, "overrideStrategy": "asDropinIfExists"}
        loaded: build_units.Unit = json.loads(json.dumps({**relations, **made, **changed}))
        return loaded

    out = tmp_path / "out"
    build_units.build(
        [
            unit("nginx.service", wantedBy=["multi-user.target"]),
            unit("systemd-networkd.service", aliases=["net.service"]),
            unit("off.service", enable=False),
        ],
        {"getty@.service"},
        set(),
        "multi-user.target",
        out,
    )

    assert (out / "nginx.service").read_text() == "nginx.service"
    assert (out / "multi-user.target.wants/nginx.service").resolve() == out / "nginx.service"
    assert (out / "systemd-networkd.service.d/overrides.conf").exists()
    assert not (out / "systemd-networkd.service").exists()
    assert (out / "net.service").readlink() == Path("systemd-networkd.service")
    assert (out / "default.target").readlink() == debian / "multi-user.target"
    masked = {
        path.name
        for path in out.iterdir()
        if path.is_symlink() and path.readlink() == Path("/dev/null")
    }
    assert masked == {"off.service", "ssh.service"}


def generation(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("kernel", "initrd", "kernel-params", "nixos-version"):
        (folder / name).write_text(name)
    return folder


def test_the_default_is_what_was_made_it_and_the_newest_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    monkeypatch.setattr(install_grub, "PROFILES", profiles)
    monkeypatch.setattr(install_grub, "CONFIG", tmp_path / "boot/grub.cfg")
    made = [generation(tmp_path / f"store/{number}") for number in range(1, 13)]
    for number, path in enumerate(made, start=1):
        (profiles / f"system-{number}-link").symlink_to(path)

    install_grub.install(10, 5, made[4])

    text = (tmp_path / "boot/grub.cfg").read_text()
    booted = [line.split("init=")[1].split()[0] for line in text.splitlines() if "init=" in line]
    assert booted == [f"{path}/init" for path in [made[4], *reversed(made[2:])]]
    assert "set default=0" in text


def test_a_boot_loader_is_written_in_a_machine_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "sda"
    disk.write_bytes(bytes(512))
    efi = tmp_path / "efi/EFI/BOOT/BOOTX64.EFI"
    monkeypatch.setattr(install_grub, "MACHINE", tmp_path / "machine")
    install_grub.install_loader(str(efi), [str(disk)])
    assert disk.read_bytes() == bytes(512)

    # What it does there, tests/vm boots.
    (tmp_path / "machine").mkdir()
    with pytest.raises(SystemExit, match="efi doesn't look like an EFI partition"):
        install_grub.install_loader(str(efi), [str(disk)])
