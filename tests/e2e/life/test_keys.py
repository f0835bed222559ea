"""Keys that are changed in two steps, by the commands of docs/security.md."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import inside, keys
from tests.e2e.sandbox import Sandbox
from tests.e2e.world import COUNT_SSH

_REPLACED = "**RandomBytes::sandbox-{}"
_SSHD_TAKES = (
    "cd /etc/ssh; umask 077; cat >new; ssh-keygen -y -f new >new.pub;"
    " mv new.pub ssh_host_ed25519_key.pub; mv new ssh_host_ed25519_key; systemctl restart sshd"
)


def ok(sandbox: Sandbox, *words: str) -> str:
    done = sandbox.pulumi(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ssh_key(sandbox: Sandbox, key: str) -> str:
    """As `make ssh-key` prints it."""
    exported = ok(sandbox, "stack", "export", "--show-secrets")
    done = sandbox.python("-m", "components.ssh_key", key, given=exported)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ssh(
    sandbox: Sandbox, command: str, *, known: str, private: Path | None = None, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """`ssh` as the administrator whose known_hosts is `known`, whatever the stack's outputs say by now."""
    words = keys.ssh_command(
        sandbox.outputs() | {"knownHosts": known}, command, state=sandbox.state
    )
    if private:
        words[words.index("-i") + 1] = str(private)
    return subprocess.run(
        inside.command(words, sandbox.state),
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )


def logs_in(sandbox: Sandbox, private: Path) -> bool:
    """Whether somebody gets in as the administrator with that key."""
    done = ssh(sandbox, "true", known=sandbox.outputs()["knownHosts"], private=private)
    assert done.returncode == 0 or "Permission denied (publickey)" in done.stderr, done.stderr
    return done.returncode == 0


def test_an_administrators_key_is_changed_in_two_steps(sandbox: Sandbox, tmp_path: Path) -> None:
    old = sandbox.state / "ssh/id_ed25519"
    new = tmp_path / "new"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", new], check=True)
    assert not logs_in(sandbox, new)

    sandbox.set(f"administrators.{keys.ADMINISTRATOR}[1]", new.with_suffix(".pub").read_text())
    ok(sandbox, "up", "--yes", "--skip-preview")
    assert logs_in(sandbox, old)
    assert logs_in(sandbox, new)

    first = f"plex-on-nixos:administrators.{keys.ADMINISTRATOR}[0]"
    ok(sandbox, "config", "rm", "--path", first)
    ok(sandbox, "up", "--yes", "--skip-preview")
    assert not logs_in(sandbox, old)
    assert logs_in(sandbox, new)

    sandbox.set(f"administrators.{keys.ADMINISTRATOR}[0]", old.with_suffix(".pub").read_text())
    ok(sandbox, "up", "--yes", "--skip-preview")
    assert logs_in(sandbox, old)


@pytest.mark.heavy
def test_the_deploy_key_and_the_host_key_are_changed_over_an_administrators(
    sandbox: Sandbox,
) -> None:
    before = {key: ssh_key(sandbox, key) for key in ("deploy", "host")}

    ok(sandbox, "up", "--yes", "--skip-preview", "--target-replace", _REPLACED.format("deploy"))
    deploy = ssh_key(sandbox, "deploy")
    assert deploy != before["deploy"]
    sandbox.ssh("sudo tee -a /var/lib/deploy/root", deploy)
    ok(sandbox, "up", "--yes", "--skip-preview")
    sandbox.ssh("sudo tee /var/lib/deploy/root", deploy)

    known = sandbox.outputs()["knownHosts"]
    ok(sandbox, "up", "--yes", "--skip-preview", "--target-replace", _REPLACED.format("host"))
    host = ssh_key(sandbox, "host")
    assert host != before["host"]
    carried = ssh(sandbox, f"sudo sh -euc '{_SSHD_TAKES}'", known=known, given=host)
    assert carried.returncode == 0, carried.stderr
    ok(sandbox, "up", "--yes", "--skip-preview")
    assert sandbox.outputs()["knownHosts"] != known
    assert sandbox.ssh("sudo cat /etc/ssh/ssh_host_ed25519_key") == host

    with sandbox.rules(COUNT_SSH):
        assert "updated" not in ok(sandbox, "up", "--yes", "--skip-preview")
        assert sandbox.counted() == 0


@pytest.fixture
def with_a_repository(sandbox: Sandbox) -> Iterator[Sandbox]:
    """One of its own: what is left of it is in nobody's way."""
    sandbox.set("backupPrefix", "changed")
    ok(sandbox, "up", "--yes", "--skip-preview")
    sandbox.ssh("sudo plex-library backup")
    yield sandbox
    ok(sandbox, "config", "rm", "plex-on-nixos:backupPrefix")
    ok(sandbox, "up", "--yes", "--skip-preview")


@pytest.mark.heavy
def test_the_backups_password_is_changed_by_the_old_one(with_a_repository: Sandbox) -> None:
    sandbox = with_a_repository
    old = ok(sandbox, "stack", "output", "backupPassword", "--show-secrets")

    replaced = _REPLACED.format("backup")
    ok(sandbox, "up", "--yes", "--skip-preview", "--replace", replaced)
    new = ok(sandbox, "stack", "output", "backupPassword", "--show-secrets")
    assert new != old

    assert "another password" in sandbox.ssh("sudo plex-library warnings")
    sandbox.ssh("sudo plex-library password", old)
    sandbox.ssh("sudo plex-library backup")
    sandbox.ssh("sudo plex-library sole-password")
    assert len(sandbox.ssh("sudo plex-library list").splitlines()) == 3
    assert sandbox.ssh("sudo plex-library warnings") == ""
