"""What our modules set, against NixOS 25.11: Nix says what it is, the table of options what may be."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tests.nix import options_of_nixos
from tests.nix.evaluation import EvaluationError, evaluate
from tests.nix.miniature import NIXPKGS
from tests.nix.test_rendered import VARIANTS, ask, write
from tests.nix.types_in_words import Option, read, set_at

HERE = Path(__file__).parent
# The packages do not come by the evaluated system, which would refuse what has to be found here.
ASKED = f"""
let
  lib = import <nixpkgs/lib>;
  what_is_set = import {HERE}/what_is_set.nix {{
    inherit lib;
    specialArgs = {{
      inherit lib;
      inherit (import <nixpkgs/nixos> {{ }}) config options;
      pkgs = import <nixpkgs> {{ config.allowUnfree = true; }};
    }};
  }};
in
what_is_set <nixos-config>
"""
# What is in the table, and has been taken away or renamed since: an error there, or a warning.
GONE = {
    "26.05": [
        "services.openssh.banner",
        "services.resolved.dnsovertls",
        "services.resolved.dnssec",
        "services.resolved.domains",
        "services.resolved.extraConfig",
        "services.resolved.fallbackDns",
        "services.resolved.llmnr",
        "systemd.sleep.extraConfig",
    ],
    "26.11": [
        "boot.vesa",
        "security.unprivilegedUsernsClone",
        "services.journald.console",
        "services.journald.extraConfig",
        "services.journald.forwardToSyslog",
        "services.journald.rateLimitBurst",
        "services.journald.rateLimitInterval",
        "services.journald.storage",
        "services.timesyncd.extraConfig",
    ],
}


@pytest.fixture(scope="module")
def table() -> Option:
    """The options of NixOS 25.11."""
    root = Option()
    for name, kind in options_of_nixos.table().items():
        option = root
        for part in name.split("."):
            option = option.below.setdefault(part, Option())
        option.type = kind
    return root


def modules(folder: Path) -> list[dict[str, Any]]:
    """What each module of a rendered configuration sets, the imported ones included."""
    search = {"nixpkgs": NIXPKGS, "nixos-config": folder / "configuration.nix"}
    found = evaluate(ASKED, folder, search)
    assert isinstance(found, list)
    return found


def faults(folder: Path, table: Option) -> list[str]:
    return [
        f"{module['file']}: {fault}"
        for module in modules(folder)
        for value in module["values"]
        for fault in set_at(table, value)
    ]


@pytest.mark.parametrize("name", VARIANTS)
def test_everything_that_is_set_is_an_option_of_nixos_of_its_type(
    name: str, tmp_path: Path, table: Option
) -> None:
    write(tmp_path, VARIANTS[name])

    assert faults(tmp_path, table) == []


@pytest.mark.parametrize("name", VARIANTS)
def test_nothing_is_set_that_later_releases_do_not_have(name: str, tmp_path: Path) -> None:
    write(tmp_path, VARIANTS[name])

    found = modules(tmp_path)

    assert gone(found) == []


def test_what_later_releases_do_not_have_is_found(tmp_path: Path, table: Option) -> None:
    for option in chain(*GONE.values()):
        at = table
        for part in option.split("."):
            assert part in at.below, f"{option} is not even in the table"
            at = at.below[part]
    module = '{ lib, ... }: { services.journald = lib.mkIf true { extraConfig = "A=B"; }; }'
    (tmp_path / "configuration.nix").write_text(module)

    assert gone(modules(tmp_path)) == [
        "configuration.nix: services.journald.extraConfig, which 26.11 does not have"
    ]


def gone(found: list[dict[str, Any]]) -> list[str]:
    return [
        f"{module['file']}: {option}, which {release} does not have"
        for module in found
        for value in module["values"]
        for release, options in GONE.items()
        for option in options
        if is_set(value, option.split("."))
    ]


def is_set(value: dict[str, Any], path: list[str]) -> bool:
    if not path:
        return True
    below = value["value"].get(path[0], []) if value["kind"] == "set" else []
    return any(is_set(definition, path[1:]) for definition in below)


def test_every_file_of_the_configuration_is_a_module_of_it(tmp_path: Path) -> None:
    write(tmp_path, {})

    assert {module["file"] for module in modules(tmp_path)} == {
        path.name for path in tmp_path.glob("*.nix") if path.name != "evaluated.nix"
    }


@pytest.mark.parametrize(
    ("module", "fault"),
    [
        ("services.plexx.enable = true;", "services.plexx: there is no such option"),
        ("services.plex.enable = 1;", "services.plex.enable: 1 is no boolean"),
        (
            'services.nginx.virtualHosts."a.b".forseSSL = true;',
            "services.nginx.virtualHosts.a.b.forseSSL: there is no such option",
        ),
        (
            'services.nginx.virtualHosts.a.locations."/".return = [ ];',
            "services.nginx.virtualHosts.a.locations./.return: a list is no null or string or signed integer",
        ),
        (
            "networking.firewall.allowedTCPPorts = [ 80 70000 ];",
            "networking.firewall.allowedTCPPorts.2: 70000 is no 16 bit unsigned integer",
        ),
        (
            'systemd.services.a.after = [ "network" ];',
            "systemd.services.a.after.1: 'network' is no string matching the pattern",
        ),
        (
            "services.openssh.settings.PermitRootLogin = true;",
            "services.openssh.settings.PermitRootLogin: True is no null or one of",
        ),
        (
            'services.openssh.settings.Subsystem = [ "sftp" ];',
            "services.openssh.settings.Subsystem: a list is no (atom",
        ),
        ("services.openssh.hostKeys = [ { } 5 ];", "services.openssh.hostKeys.2: 5 is no"),
        (
            "time.timeZone = lib.mkDefault (lib.mkIf true 5);",
            "time.timeZone: 5 is no null or string without",
        ),
        (
            'config = lib.mkMerge [ { time.timezone = "UTC"; } ];',
            "time.timezone: there is no such option",
        ),
        ("programs.fuse = true;", "programs.fuse: True is no submodule"),
    ],
)
def test_what_nixos_would_refuse_is_found(
    module: str, fault: str, tmp_path: Path, table: Option
) -> None:
    (tmp_path / "configuration.nix").write_text(f"{{ lib, ... }}: {{ {module} }}")

    (found,) = faults(tmp_path, table)

    assert found.startswith(f"configuration.nix: {fault}")


@pytest.mark.parametrize(
    ("file", "right", "slip", "option", "fault"),
    [
        (
            "plex.nix",
            "openFirewall = false;",
            "openFirewal = false;",
            "services.plex.openFirewal",
            "there is no such option",
        ),
        (
            "firewall.nix",
            "allowPing = true;",
            'allowPing = "yes";',
            "networking.firewall.allowPing",
            "'yes' is no boolean",
        ),
        (
            "web.nix",
            "proxyWebsockets = true;",
            "proxyWebsockets = 1;",
            "services.nginx.virtualHosts.plex.films.sandbox.locations./.proxyWebsockets",
            "1 is no boolean",
        ),
    ],
)
def test_a_slip_in_a_rendered_file_is_named(
    file: str, right: str, slip: str, option: str, fault: str, tmp_path: Path, table: Option
) -> None:
    write(tmp_path, {})
    text = (tmp_path / file).read_text()
    assert text.count(right) == 1
    (tmp_path / file).write_text(text.replace(right, slip))

    assert faults(tmp_path, table) == [f"{file}: {option}: {fault}"]
    # And by the miniature, as NixOS would: with quotes around each part that needs them.
    with pytest.raises(EvaluationError) as said:
        ask(tmp_path)
    assert option in str(said.value).replace('"', "")


def test_what_a_condition_keeps_away_is_not_looked_at(tmp_path: Path, table: Option) -> None:
    module = '{ lib, ... }: lib.mkIf false { a = throw "looked at"; }'
    (tmp_path / "configuration.nix").write_text(module)

    assert faults(tmp_path, table) == []


def test_a_module_that_declares_options_is_refused(tmp_path: Path) -> None:
    (tmp_path / "configuration.nix").write_text("{ options = { }; }")

    with pytest.raises(
        EvaluationError, match=r"configuration\.nix: a module with options of its own"
    ):
        modules(tmp_path)


@pytest.mark.parametrize(
    ("words", "well", "wrong"),
    [
        ("null or boolean", [None, True], [0]),
        ("one of “strict”, “loose” or boolean", ["loose", False], ["tight", None]),
        ("boolean or value “auto” (singular enum)", ["auto", True], ["on"]),
        ("list of (string or signed integer)", [[], ["a", 1]], [[True], "a"]),
        ("attribute set of (null or string)", [{}, {"a": None}], [{"a": 1}, []]),
        ("(attribute set of boolean) or (list of string) convertible to it", [["a"]], ["a"]),
        ("list of string matching the pattern [[:digit:]]{2}|x", [["12", "x"]], [["1"]]),
        ("integer between 0 and 32 (both inclusive)", [0, 32], [33, "1"]),
        ("(optionally newline-terminated) single-line string", ["a\n"], ["a\nb"]),
    ],
)
def test_types_in_words(words: str, well: list[object], wrong: list[object]) -> None:
    kind = read(words)

    assert [value for value in well if kind.faults(shown(value), Option(), "x")] == []
    assert [value for value in wrong if not kind.faults(shown(value), Option(), "x")] == []


def shown(value: object) -> dict[str, Any]:
    """A value as what_is_set.nix shows it."""
    match value:
        case list():
            return {"kind": "list", "value": [shown(item) for item in value]}
        case dict():
            return {"kind": "set", "value": {name: [shown(x)] for name, x in value.items()}}
    kinds = {type(None): "null", bool: "bool", int: "int", str: "string"}
    return {"kind": kinds[type(value)], "value": value}
