"""What nix/hardening.nix shuts, tried: by sshd, nftables, journald, sudo and Nix with what it makes."""

from __future__ import annotations

import itertools
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sandbox import toolchain
from tests.runtime.lone_host import Host, host
from tests.runtime.sshd import Sshd, free_port
from tests.runtime.stacks import CommandStack

METADATA = ("http://169.254.169.254/", "http://[fe80::a9fe:a9fe%25lo]/")
WITHOUT_METADATA = """(import <nixpkgs/nixos> { configuration = {
  imports = [ /etc/nixos/configuration.nix ];
  networking.nftables.tables.metadata.enable = pkgs.lib.mkForce false;
}; }).config"""
FILES = {
    "sshd": '"${config.environment.etc."ssh/sshd_config".source}"',
    "nftables": 'config.systemd.units."nftables.service".text',
    "open": f'{WITHOUT_METADATA}.systemd.units."nftables.service".text',
    "sysctl": 'config.environment.etc."sysctl.d/60-nixos.conf".text',
    "journald": 'config.environment.etc."systemd/journald.conf.d/limits.conf".source.text',
    "nix": 'config.environment.etc."nix/nix.conf".text',
    "sudoers": "config.environment.etc.sudoers.text",
    "wrappers": "config.systemd.services.suid-sgid-wrappers.script",
}


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with host(
        tmp_path_factory.mktemp("hardening"), ("169.254.169.254/32", "fe80::a9fe:a9fe/64")
    ) as running:
        running.ok("groupadd", "wheel")
        running.ok("useradd", "--create-home", "--shell=/bin/sh", "--groups=wheel", "alice")
        yield running


@pytest.fixture(scope="module")
def built(lone: Host) -> dict[str, str]:
    return lone.build(FILES)


def by(user: str, *command: str) -> list[str]:
    """A command line of somebody else's."""
    return ["runuser", "-u", user, "--", *command]


# --- sshd


class ConfiguredSshd(Sshd):
    """The host's sshd by its own sshd_config, that listens on this computer's loopback address."""

    def __init__(self, directory: Path, lone: Host, configuration: str) -> None:
        super().__init__(directory, free_port(), user="root")
        self.lone = lone
        self._configuration_file = configuration
        self._sources = itertools.count(2)

    def command(self) -> list[str]:
        listen = ["-o", "ListenAddress=127.0.0.1", "-p", str(self.port)]
        return self.lone.command(
            "/usr/sbin/sshd", "-D", "-e", "-f", self._configuration_file, *listen, network=False
        )

    def said(self, text: str) -> bool:
        """Whether its log has that text by now."""
        return self._count(text) > 0

    def ssh(self, *options: str, user: str = "root") -> subprocess.CompletedProcess[str]:
        """Log in and run `id -un`, each time from another address: sshd remembers who has failed."""
        ssh = [
            *("ssh", "-F", "none", "-i", "/root/key", "-p", str(self.port)),
            *("-o", "BatchMode=yes", "-o", "UserKnownHostsFile=/root/known"),
            *("-b", f"127.0.0.{next(self._sources)}"),
            *(part for option in options for part in ("-o", option)),
            *(f"{user}@127.0.0.1", "id -un"),
        ]
        return subprocess.run(
            self.lone.command(*ssh, network=False),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture(scope="module")
def sshd(
    lone: Host, built: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ConfiguredSshd]:
    configuration = lone.ok("cat", built["sshd"]).strip()
    server = ConfiguredSshd(tmp_path_factory.mktemp("sshd"), lone, configuration)
    lone.write("/etc/ssh/ssh_host_ed25519_key", server.host.private, 0o600)
    lone.write("/var/lib/deploy/root", f"{server.client.public}\n")
    for user in ("alice", "plex"):
        lone.write(f"/etc/ssh/authorized_keys.d/{user}", f"{server.client.public}\n")
    lone.write("/root/key", server.client.private, 0o600)
    lone.write("/root/known", f"[127.0.0.1]:{server.port} {server.host.public}\n")
    lone.ok("systemctl", "stop", "ssh")  # Debian's
    lone.ok("mkdir", "-p", "/run/sshd")
    with server:
        yield server


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("KexAlgorithms=diffie-hellman-group14-sha256", "no matching key exchange method found"),
        (
            "KexAlgorithms=diffie-hellman-group-exchange-sha256",
            "no matching key exchange method found",
        ),
        ("KexAlgorithms=ecdh-sha2-nistp256", "no matching key exchange method found"),
        ("Ciphers=aes128-cbc", "no matching cipher found"),
        ("Ciphers=aes256-ctr", "no matching cipher found"),
        ("HostKeyAlgorithms=rsa-sha2-512", "no matching host key type found"),
        ("HostKeyAlgorithms=ecdsa-sha2-nistp256", "no matching host key type found"),
    ],
)
def test_an_old_algorithm_is_refused(sshd: ConfiguredSshd, option: str, words: str) -> None:
    done = sshd.ssh(option)

    assert done.returncode == 255
    assert words in done.stderr


@pytest.mark.parametrize(
    "options",
    [
        (),
        # What OpenSSH 8.5 to 9.8 agree on, and what Go does.
        ("KexAlgorithms=sntrup761x25519-sha512@openssh.com",),
        ("KexAlgorithms=curve25519-sha256", "Ciphers=aes256-gcm@openssh.com"),
        ("KexAlgorithms=curve25519-sha256", "Ciphers=chacha20-poly1305@openssh.com"),
    ],
)
def test_a_modern_one_is_taken(sshd: ConfiguredSshd, options: tuple[str, ...]) -> None:
    done = sshd.ssh(*options)

    assert (done.returncode, done.stdout) == (0, "root\n"), done.stderr


def test_two_of_today_are_safe_from_quantum_computers(sshd: ConfiguredSshd) -> None:
    done = sshd.ssh("LogLevel=DEBUG")

    assert "kex: algorithm: mlkem768x25519-sha256" in done.stderr


def test_pulumi_gets_in(sshd: ConfiguredSshd, tmp_path: Path) -> None:
    toolchain.ensure(print)
    stack = CommandStack(tmp_path / "pulumi", sshd)

    assert stack.up(create="id -un")["stdout"] == "root"


def test_administrators_get_in_and_services_do_not_whatever_keys_they_have(
    sshd: ConfiguredSshd,
) -> None:
    sshd.lone.ok("usermod", "--shell=/bin/sh", "plex")

    alice, plex = sshd.ssh(user="alice"), sshd.ssh(user="plex")

    assert alice.stdout == "alice\n", alice.stderr
    assert plex.returncode == 255
    assert "Permission denied (publickey)" in plex.stderr
    sshd.wait_for(lambda: sshd.said("User plex from") and sshd.said("listed in AllowGroups"))


def test_nothing_but_a_key_is_asked_for(sshd: ConfiguredSshd) -> None:
    done = sshd.ssh("PubkeyAuthentication=no")

    assert done.returncode == 255
    assert "Permission denied (publickey)." in done.stderr


def test_one_address_does_not_take_every_place(sshd: ConfiguredSshd) -> None:
    def banner(source: str) -> bytes:
        connection = open_ones.enter_context(
            socket.create_connection(("127.0.0.1", sshd.port), 60, (source, 0))
        )
        return connection.recv(100)

    with ExitStack() as open_ones:
        greeted = [banner("127.0.1.1") for _ in range(10)]
        assert all(each.startswith(b"SSH-2.0-") for each in greeted)
        assert not banner("127.0.1.1").startswith(b"SSH-2.0-")
        assert banner("127.0.1.2").startswith(b"SSH-2.0-")


# --- the metadata service


@pytest.fixture(scope="module")
def metadata(lone: Host) -> None:
    """Somebody who answers at both addresses, whoever asks."""
    lone.ok("systemd-run", "--unit=metadata", "python3", "-m", "http.server", "--bind", "::", "80")
    for address in ("169.254.169.254", "::1"):
        lone.await_port(address, 80)


def load(lone: Host, path: str) -> None:
    """Have systemd load rules as a switch does: start its unit, or reload it."""
    lone.unit("nftables.service", path)
    lone.ok("systemctl", "reload-or-restart", "nftables")


def reaches(lone: Host, url: str, *user: str) -> bool:
    curl = ("curl", "-sS", "--globoff", "--max-time", "60", "--output", "/dev/null", url)
    done = lone.run(*(by(user[0], *user[1:], *curl) if user else curl))
    assert done.returncode in {0, 7}, done.stderr  # 7: refused, and at once
    return done.returncode == 0


@pytest.mark.usefixtures("metadata")
def test_only_root_may_ask_for_metadata(lone: Host, built: dict[str, str]) -> None:
    for url in METADATA:
        assert reaches(lone, url, "plex"), "it can be reached as long as there are no rules"

    load(lone, built["nftables"])

    for url in METADATA:
        assert reaches(lone, url)
        for user in ("plex", "nginx", "alice"):
            assert not reaches(lone, url, user)
        # Nor by whoever is root in a namespace of his own.
        assert not reaches(lone, url, "plex", "unshare", "--user", "--map-root-user")
    assert reaches(lone, "http://127.0.0.1/", "plex")


@pytest.mark.usefixtures("metadata")
def test_a_generation_without_the_rules_takes_them_away(lone: Host, built: dict[str, str]) -> None:
    load(lone, built["nftables"])
    assert lone.ok("nft", "list", "tables").split("\n") == [
        "table inet metadata",
        "table inet nixos-fw",
        "",
    ]

    load(lone, built["open"])

    assert lone.ok("nft", "list", "tables") == "table inet nixos-fw\n"
    assert reaches(lone, METADATA[0], "plex")


# --- the kernel

# What an older kernel, or one without that part, does not have.
MAY_BE_MISSING = {"kernel.yama.ptrace_scope", "kernel.io_uring_disabled"}


def test_every_sysctl_is_one_of_the_kernels(lone: Host, built: dict[str, str]) -> None:
    for line in lone.ok("cat", built["sysctl"]).splitlines():
        name, _, _ = line.partition("=")
        found = list(Path("/proc/sys").glob(name.replace(".", "/")))
        assert found or name in MAY_BE_MISSING, name


def test_sysctls_are_set_where_they_can_be(lone: Host, built: dict[str, str]) -> None:
    computers = Path("/proc/sys/kernel/kptr_restrict").read_text()
    lone.write("/etc/sysctl.d/60-nixos.conf", lone.ok("cat", built["sysctl"]))

    lone.ok("systemctl", "restart", "systemd-sysctl")

    # In a machine of the sandbox that is the network's. The kernel is the computer's, and no failure.
    for version in ("ipv4", "ipv6"):
        for interface in ("all", "default", "lo"):
            where = f"/proc/sys/net/{version}/conf/{interface}/accept_redirects"
            assert lone.ok("cat", where) == "0\n", where
    assert Path("/proc/sys/kernel/kptr_restrict").read_text() == computers


# --- the log


def test_a_unit_that_floods_the_log_is_cut_short_and_no_other(
    lone: Host, built: dict[str, str]
) -> None:
    lone.write("/etc/systemd/journald.conf.d/limits.conf", lone.ok("cat", built["journald"]))
    lone.ok("systemctl", "restart", "systemd-journald")

    lone.ok("systemd-run", "--wait", "--unit=flood", "seq", "40000")
    lone.ok("systemd-run", "--wait", "--unit=quiet", "echo", "heard")

    # journald allows more where there is more room.
    assert 2000 <= len(re.findall(r"^\d+$", lone.journal("flood"), re.MULTILINE)) < 10000
    assert "heard" in lone.journal("quiet").splitlines()


# --- root's programs


def test_only_administrators_can_start_sudo(lone: Host, built: dict[str, str]) -> None:
    lone.ok("mkdir", "-p", "/run/wrappers")
    # As NixOS mounts it: in /run itself, no program has its owner's rights.
    lone.ok("mount", "-t", "tmpfs", "none", "/run/wrappers")
    lone.ok("sh", "-e", built["wrappers"])
    lone.write("/etc/sudoers", lone.ok("cat", built["sudoers"]), 0o440)
    sudo = ("/run/wrappers/bin/sudo", "-n", "/usr/bin/id", "-u")

    assert lone.ok(*by("alice", *sudo)) == "0\n"
    refused = lone.run(*by("plex", *sudo))
    assert refused.returncode != 0
    assert "Permission denied" in refused.stderr


def test_only_root_has_the_nix_daemon_work(lone: Host, built: dict[str, str]) -> None:
    lone.write("/etc/nix/nix.conf", lone.ok("cat", built["nix"]))
    lone.ok("systemd-run", "--unit=asked", "nix-daemon")
    ask = ("env", "HOME=/", "NIX_REMOTE=daemon", "nix-store", "--add", "/etc/hostname")
    listens = "ss -Hlx | grep -q /nix/var/nix/daemon-socket/socket"
    lone.ok("timeout", "50", "sh", "-c", f"until {listens}; do sleep 0.05; done")

    assert lone.ok(*ask).startswith("/nix/store/")
    for user in ("plex", "alice"):
        assert lone.run(*by(user, *ask)).returncode != 0
        refusal = f"user '{user}' is not allowed to connect to the Nix daemon"
        said = f'until journalctl -u asked | grep -q "{refusal}"; do sleep 0.05; done'
        lone.ok("timeout", "50", "sh", "-c", said)
