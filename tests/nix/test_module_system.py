"""The miniature's module system: how definitions are merged, and what is refused in which words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.nix import options_of_nixos
from tests.nix.evaluation import EvaluationError
from tests.nix.miniature import Evaluate

# --- merging and priorities


@pytest.mark.parametrize(
    ("definitions", "expected"),
    [
        ('[ { time.timeZone = "UTC"; } ]', "UTC"),
        (
            '[ { time.timeZone = lib.mkDefault "UTC"; } { time.timeZone = "Asia/Tokyo"; } ]',
            "Asia/Tokyo",
        ),
        ('[ { time.timeZone = lib.mkForce "UTC"; } { time.timeZone = "Asia/Tokyo"; } ]', "UTC"),
        ('[ { time.timeZone = lib.mkIf false "UTC"; } ]', None),
        ('[ (lib.mkIf true { time.timeZone = "UTC"; }) ]', "UTC"),
        ('[ (lib.mkMerge [ { time.timeZone = "UTC"; } { networking.hostName = "a"; } ]) ]', "UTC"),
        ("[ ({ config, ... }: { time.timeZone = config.networking.domain; }) ]", None),
    ],
)
def test_one_value(nix: Evaluate, definitions: str, expected: str | None) -> None:
    assert nix(f"(system {definitions}).config.time.timeZone") == expected


def test_lists_are_joined_in_their_order(nix: Evaluate) -> None:
    value = nix("""
      (system [
        { networking.nameservers = [ "middle" ]; }
        { networking.nameservers = lib.mkAfter [ "last" ]; }
        { networking.nameservers = lib.mkBefore [ "first" ]; }
      ]).config.networking.nameservers
    """)
    assert value == ["first", "middle", "last"]


def test_attribute_sets_are_merged(nix: Evaluate) -> None:
    value = nix("""
      let s = (system [
        { systemd.services.a = { after = [ "x.service" ]; serviceConfig.User = "u"; }; }
        { systemd.services.a.serviceConfig.Type = lib.mkDefault "simple"; }
        { systemd.services.a.serviceConfig.ExecStartPre = [ "one" ]; }
        { systemd.services.a.serviceConfig.ExecStartPre = [ "two" ]; }
        { systemd.services.a.serviceConfig.Type = "oneshot"; }
      ]).config.systemd.services.a; in
      { inherit (s) after; inherit (s.serviceConfig) User Type ExecStartPre; }
    """)
    assert value["after"] == ["x.service"]
    assert (value["User"], value["Type"]) == ("u", "oneshot")
    assert sorted(value["ExecStartPre"]) == ["one", "two"]


def test_a_limit_by_its_option_is_text(nix: Evaluate) -> None:
    with pytest.raises(EvaluationError, match=r"StartLimitIntervalSec' has conflicting definition"):
        nix("""
          (system [
            { systemd.services.a.startLimitIntervalSec = 0; }
            { systemd.services.a.unitConfig.StartLimitIntervalSec = 0; }
          ]).config.systemd.units."a.service".text
        """)


def test_a_module_is_imported_once(nix: Evaluate, tmp_path: Path) -> None:
    (tmp_path / "shared.nix").write_text('{ networking.nameservers = [ "once" ]; }')
    imports = "{ imports = [ ./shared.nix ]; }"
    assert nix(f"(system [ {imports} {imports} ]).config.networking.nameservers") == ["once"]


# --- what is refused, and in which words


@pytest.mark.parametrize(
    ("definition", "asked", "words"),
    [
        (
            "{ services.plexx.enable = true; }",
            "config.time.timeZone",
            "The option `services.plexx' does not exist. Definition values:\n- In `/etc/nixos/a.nix':",
        ),
        (
            "{ services.plex.managePlugins = true; }",
            "config.time.timeZone",
            "The option `services.plex.managePlugins' does not exist. Definition values:\n"
            "- In `/etc/nixos/a.nix': true",
        ),
        (
            '{ services.nginx.virtualHosts."a.b".forseSSL = true; }',
            'config.services.nginx.virtualHosts."a.b".forceSSL',
            'The option `services.nginx.virtualHosts."a.b".forseSSL\' does not exist. Definition values:\n'
            "- In `/etc/nixos/a.nix': true",
        ),
        (
            '{ networking.useNetworkd = lib.mkForce "yes"; }',
            "config.networking.useNetworkd",
            "A definition for option `networking.useNetworkd' is not of type `boolean'. Definition values:\n"
            '- In `/etc/nixos/a.nix\': "yes"',
        ),
        (
            "{ networking.firewall.allowedTCPPorts = [ 80 70000 ]; }",
            "config.networking.firewall.allowedTCPPorts",
            'A definition for option `networking.firewall.allowedTCPPorts."[definition 1-entry 2]"\' is not '
            "of type `16 bit unsigned integer; between 0 and 65535 (both inclusive)'. Definition values:\n"
            "- In `/etc/nixos/a.nix': 70000",
        ),
        (
            '{ networking.hostName = "a_b.c"; }',
            "config.networking.hostName",
            "A definition for option `networking.hostName' is not of type "
            "`string matching the pattern ^$|^[[:alnum:]]([[:alnum:]_-]{0,61}[[:alnum:]])?$'.",
        ),
        (
            '{ systemd.services.a.after = [ "network" ]; }',
            "config.systemd.services.a.after",
            'A definition for option `systemd.services.a.after."[definition 1-entry 1]"\' is not of type '
            "`string matching the pattern",
        ),
        (
            'lib.mkMerge [ { networking.domain = "a"; } { networking.domain = "b"; } ]',
            "config.networking.domain",
            "The option `networking.domain' has conflicting definition values:\n"
            '- In `/etc/nixos/a.nix\': "a"\n- In `/etc/nixos/a.nix\': "b"\n'
            "Use `lib.mkForce value` or `lib.mkDefault value` to change the priority on any of these "
            "definitions.",
        ),
        (
            "{ services.nginx = true; }",
            "config.time.timeZone",
            "The option `services.nginx' is a set of options",
        ),
    ],
)
def test_refused_with_its_name_and_place(
    nix: Evaluate, definition: str, asked: str, words: str
) -> None:
    with pytest.raises(EvaluationError) as refused:
        nix(f'(system [ (module "/etc/nixos/a.nix" ({definition})) ]).{asked}')
    # Nix indents the lines of a message.
    assert words in re.sub(r"\n +", "\n", str(refused.value))


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (
            "boot.loader.grub.devices = lib.mkForce [ ];",
            "You must set the option ‘boot.loader.grub.devices’",
        ),
        (
            "users.mutableUsers = false;",
            "Neither the root account nor any wheel user has a password",
        ),
        (
            "users.users.a = { };",
            "Exactly one of users.users.a.isSystemUser and users.users.a.isNormalUser must be set.",
        ),
        (
            "services.nginx = { enable = true; virtualHosts.a.enableACME = true; };",
            "terms of service",
        ),
        (
            "services.nginx.enable = true;"
            "services.nginx.virtualHosts.a = { rejectSSL = true; addSSL = true;"
            'sslCertificate = "/c"; sslCertificateKey = "/k"; };',
            "mutually exclusive",
        ),
        ('assertions = [ { assertion = false; message = "not like this"; } ];', "- not like this"),
    ],
)
def test_failed_assertions_stop_the_system(nix: Evaluate, module: str, words: str) -> None:
    with pytest.raises(EvaluationError, match="Failed assertions") as refused:
        nix(f"(system [ {{ {module} }} ]).config.system.build.toplevel.drvPath")
    assert words in str(refused.value)


def test_unfree_packages_have_to_be_allowed(nix: Evaluate) -> None:
    plex = "users.allowNoPasswordLogin = true; services.plex.enable = true;"
    toplevel = "config.system.build.toplevel.drvPath"

    with pytest.raises(
        EvaluationError, match=r"‘plexmediaserver-.*’ has an unfree license .*refusing"
    ):
        nix(f"(system [ {{ {plex} }} ]).{toplevel}")
    with pytest.raises(EvaluationError, match="has an unfree license"):
        nix(
            f"(system [ {{ {plex} nixpkgs.config.allowUnfreePredicate = p: lib.getName p == "
            f'"other"; }} ]).{toplevel}'
        )
    for allowed in (
        'allowUnfreePredicate = p: lib.getName p == "plexmediaserver"',
        "allowUnfree = true",
    ):
        assert nix(f"(system [ {{ {plex} nixpkgs.config.{allowed}; }} ]).{toplevel}")


def test_every_option_is_one_of_nixos_with_its_type(nix: Evaluate) -> None:
    declared = {
        option["name"]: option["type"]
        for option in nix("lib.optionAttrSetToDocList (system [ ]).options")
        if not option["internal"]
    }

    assert len(declared) > 500
    known = options_of_nixos.table()
    assert {name: known.get(name) for name in declared} == declared
