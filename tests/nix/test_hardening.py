"""What nix/hardening.nix comes to on every variant of the host: the texts that programs read."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.nix.miniature import Store
from tests.nix.programs import nft_refuses, sshd_takes
from tests.nix.test_rendered import VARIANTS, ask, write

ASKED = """
let
  inherit (import <nixpkgs/nixos> { }) config;
  etc = config.environment.etc;
  unit = name: config.systemd.units.${name}.text;
in
{
  users = {
    inherit (config.users) mutableUsers;
    root = config.users.users.root.hashedPassword;
  };
  sudo = config.security.wrappers.sudo;
  sudoers = etc.sudoers.text;
  ssh = config.services.openssh.settings;
  hostKeys = map (key: key.type) config.services.openssh.hostKeys;
  tables = builtins.mapAttrs (_: table: table.content) config.networking.nftables.tables;
  units = builtins.mapAttrs (name: _: unit "${name}.service") {
    inherit (config.systemd.services) media nginx plex systemd-journald;
  };
  sysctls = config.boot.kernel.sysctl;
  sysctlFile = etc."sysctl.d/60-nixos.conf".text;
  nix = etc."nix/nix.conf".text;
  journald = {
    inherit (etc."systemd/journald.conf.d/limits.conf".source) text;
    path = "${etc."systemd/journald.conf.d/limits.conf".source}";
  };
  coredump = etc."systemd/coredump.conf.d/none.conf".text;
  defaultPackages = config.environment.defaultPackages;
}
"""

Host = dict[str, Any]


@pytest.fixture(scope="module", params=VARIANTS)
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Host:
    folder = tmp_path_factory.mktemp("hardening")
    write(folder, VARIANTS[request.param])
    return ask(folder, ASKED)


def test_root_has_no_password_and_users_are_the_configurations(host: Host) -> None:
    assert host["users"] == {"mutableUsers": False, "root": "!"}


def test_sudo_is_the_administrators_program(host: Host) -> None:
    sudo = host["sudo"]

    assert (sudo["owner"], sudo["group"], sudo["setuid"]) == ("root", "wheel", True)
    assert "o" not in sudo["permissions"]
    assert "%wheel ALL=(ALL:ALL) NOPASSWD: SETENV: ALL" in host["sudoers"].splitlines()


def test_ssh_knows_modern_algorithms_alone(host: Host) -> None:
    ssh = host["ssh"]
    named = [*ssh["KexAlgorithms"], *ssh["Ciphers"], *ssh["Macs"]]

    old = re.compile(r"sha1|md5|cbc|ctr|3des|arcfour|rc4|nistp|diffie-hellman|umac|^hmac-sha2-\d+$")
    assert [name for name in named if old.search(name)] == []
    assert host["hostKeys"] == ["ed25519"]


def test_ssh_knows_what_pulumi_and_older_clients_know(host: Host) -> None:
    ssh = host["ssh"]

    # Go's client, and OpenSSH 8.5's.
    assert "curve25519-sha256" in ssh["KexAlgorithms"]
    assert {"chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com"} <= set(ssh["Ciphers"])
    assert "hmac-sha2-256-etm@openssh.com" in ssh["Macs"]


def test_nobody_who_is_to_log_in_is_shut_out(host: Host) -> None:
    ssh = host["ssh"]

    assert ssh["AllowGroups"] == ["root", "wheel"]
    assert ssh["AllowUsers"] is None
    assert "DenyUsers" not in ssh or ssh["DenyUsers"] is None
    assert ssh["AuthenticationMethods"] == "publickey"


def test_the_metadata_service_is_roots_alone(host: Host) -> None:
    rules = host["tables"]["metadata"]

    for rule in (
        "ip daddr 169.254.169.254 meta skuid != 0 reject",
        "ip6 daddr fe80::a9fe:a9fe meta skuid != 0 reject",
    ):
        assert rule in map(str.strip, rules.splitlines())
    assert "policy accept" in rules
    assert nft_refuses(rules) is None


def test_packets_from_where_no_way_leads_back_are_dropped(host: Host) -> None:
    (chain,) = re.findall(r"chain rpfilter \{(.*?)\n *\}", host["tables"]["nixos-fw"], re.DOTALL)

    assert "policy drop" in chain
    # Back by the same interface: a server at Hetzner has one, with a default route.
    assert "fib saddr . mark . iif oif exists accept" in chain


@pytest.mark.parametrize("unit", ["media", "nginx", "plex"])
def test_what_talks_to_the_world_is_kept_from_it_by_systemd_too(host: Host, unit: str) -> None:
    denied = re.findall(r"^IPAddressDeny=(\S+)$", host["units"][unit], re.MULTILINE)

    assert denied == ["169.254.169.254", "fe80::a9fe:a9fe"]


def test_the_kernel_is_told(host: Host) -> None:
    lines = host["sysctlFile"].splitlines()

    assert {
        "kernel.kptr_restrict=2",
        "kernel.dmesg_restrict=1",
        "kernel.unprivileged_bpf_disabled=1",
        "kernel.yama.ptrace_scope=1",
        "fs.protected_regular=2",
        "net.ipv4.conf.*.accept_redirects=0",
        "net.ipv6.conf.*.accept_redirects=0",
    } <= set(lines)
    assert len({line.partition("=")[0] for line in lines}) == len(lines)


@pytest.mark.parametrize(
    "key",
    [
        r"user\.max_user_namespaces|kernel\.unprivileged_userns_clone",  # Plex starts in a namespace
        r"kernel\.modules_disabled",  # nftables and FUSE are modules
        r"net\.ipv6\..*(disable_ipv6|accept_ra|forwarding)",  # networkd's
    ],
)
def test_nothing_is_taken_that_the_host_lives_by(host: Host, key: str) -> None:
    assert [name for name in host["sysctls"] if re.fullmatch(key, name)] == []


def test_the_nix_daemon_is_roots_alone(host: Host) -> None:
    lines = host["nix"].splitlines()

    assert "allowed-users = root" in lines
    assert "trusted-users = root" in lines


def test_the_log_has_its_limits_and_a_change_of_them_arrives(host: Host) -> None:
    lines = host["journald"]["text"].splitlines()

    assert lines[0] == "[Journal]"
    assert {"SystemMaxUse=500M", "RuntimeMaxUse=50M", "RateLimitBurst=2000"} <= set(lines)
    assert host["journald"]["path"] in host["units"]["systemd-journald"]


def test_a_crash_leaves_nothing_of_the_memory(host: Host) -> None:
    assert host["coredump"].split() == ["[Coredump]", "Storage=none", "ProcessSizeMax=0"]


def test_nothing_is_there_by_default(host: Host) -> None:
    assert host["defaultPackages"] == []


@pytest.fixture(scope="module")
def sshd(store: Store, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What this computer's sshd makes of sshd_config."""
    folder = tmp_path_factory.mktemp("sshd")
    write(folder, {})
    host = f"(import <nixpkgs/nixos> {{ configuration = {folder}/configuration.nix; }}).config"
    path = store.build(f'{host}.environment.etc."ssh/sshd_config".source')
    return sshd_takes(path.read_text(), folder)


@pytest.mark.parametrize(
    "line",
    [
        "logingracetime 30",
        "maxstartups 50:30:100",
        "persourcemaxstartups 10",
        "persourcenetblocksize 32:64",
        "passwordauthentication no",
        "kbdinteractiveauthentication no",
        "authenticationmethods publickey",
        "permitrootlogin without-password",
    ],
)
def test_sshd_reads_it_as_meant(sshd: list[str], line: str) -> None:
    assert line in sshd
