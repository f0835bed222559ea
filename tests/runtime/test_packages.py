"""Installing Debian's packages: what they start and enable, also when a run is killed in the middle."""

from __future__ import annotations

import hashlib
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.packages import RECORD
from tests.runtime import lone_host
from tests.runtime.lone_host import REPO, Host

pytestmark = pytest.mark.heavy

# As debhelper writes it for a package with a unit and a script of System V.
_POSTINST = """#!/bin/sh
set -e
[ ! -p /run/{name}.wait ] || cat /run/{name}.wait
[ ! -e /run/{name}.fails ]
if deb-systemd-helper --quiet was-enabled {name}.service; then
    deb-systemd-helper enable {name}.service >/dev/null || true
else
    deb-systemd-helper update-state {name}.service >/dev/null || true
fi
if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
    deb-systemd-invoke start {name}.service >/dev/null || true
fi
if [ -x /etc/init.d/{name} ]; then
    update-rc.d {name} defaults >/dev/null
    invoke-rc.d --skip-systemd-native {name} start
fi
# Not by debhelper, but seen.
systemctl restart {name}.service
"""
# Waits when the other one has been unpacked already.
_PREINST = """#!/bin/sh
if [ -p /run/pair.wait ] && [ -e /etc/init.d/{other} ]; then cat /run/pair.wait; fi
"""
_UNIT = """[Service]
ExecStart=sleep infinity
ExecStartPre=touch /var/started-{name}
[Install]
WantedBy=multi-user.target
"""
_INIT = """#!/bin/sh
### BEGIN INIT INFO
# Provides: {name}
# Required-Start:
# Required-Stop:
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
### END INIT INFO
[ "$1" != start ] || touch /var/started-{name}
"""
_INSTALL = """
import sys
sys.path.insert(0, "/opt/project")
from sandbox import packages
from sandbox.errors import SandboxError
try:
    packages.{call}
except SandboxError as error:
    sys.exit(str(error))
"""
_HOLD = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def _package(name: str, folder: Path, other: str = "") -> str:
    """Make a package with a service, which may depend on another one, and return its paragraph for apt."""
    tree = folder / name
    control = (
        f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: Test <test@example.org>\n"
    )
    control += f"Depends: {other}\n" if other else ""
    for path, text, mode in (
        ("DEBIAN/control", f"{control}Description: a service\n", 0o644),
        ("DEBIAN/preinst", _PREINST.format(other=other), 0o755),
        ("DEBIAN/postinst", _POSTINST.format(name=name), 0o755),
        (f"usr/lib/systemd/system/{name}.service", _UNIT.format(name=name), 0o644),
        (f"etc/init.d/{name}", _INIT.format(name=name), 0o755),
    ):
        file = tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
    deb = folder / f"{name}.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, deb], check=True)
    sha256 = hashlib.sha256(deb.read_bytes()).hexdigest()
    return f"{control}Filename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {sha256}\n\n"


@pytest.fixture(scope="module")
def computer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A booted Debian with an archive of packages, the first of them installed by its owner."""
    with lone_host.host(tmp_path_factory.mktemp("computer")) as host:
        repository = host.root / "opt/archive"
        repository.mkdir()
        listed = "".join(_package(name, repository) for name in ("owned", "tiny", "slow", "gone"))
        # Whichever is unpacked first, it depends on one that has not been.
        listed += _package("left", repository, "right") + _package("right", repository, "left")
        (repository / "gone.deb").unlink()
        (repository / "Packages").write_text(listed)
        sources = host.root / "etc/apt"
        shutil.rmtree(sources / "sources.list.d", ignore_errors=True)
        host.write("/etc/apt/sources.list", "deb [trusted=yes] file:/opt/archive ./\n")
        for module in ("__init__", "apt", "commands", "errors", "packages"):
            code = (REPO / f"sandbox/{module}.py").read_text()
            host.write(f"/opt/project/sandbox/{module}.py", code)
        shutil.copytree(REPO / "sandbox/quiet", host.root / "opt/project/sandbox/quiet")
        # A machine of the sandbox's enables nothing of its own accord, and Debian everything.
        (host.root / "usr/lib/systemd/system-preset/00-sandbox.preset").unlink()
        host.ok("apt-get", "update")
        host.ok("apt-get", "install", "--yes", "owned")
        assert host.ok("systemctl", "is-active", "owned") == "active\n"
        yield host


def _python(call: str) -> list[str]:
    return ["python3", "-c", _INSTALL.format(call=call)]


def _install(host: Host, name: str) -> str:
    return host.ok(*_python(f"install(['{name}'], print)"))


def _state(host: Host, name: str) -> str:
    return host.ok("dpkg-query", "--show", "--showformat=${db:Status-Status}", name)


def _in_force(host: Host, name: str) -> list[str]:
    """What of a service runs, has run, or would at the next boot."""
    states = [
        host.run("systemctl", question, name).stdout.strip()
        for question in ("is-active", "is-enabled")
    ]
    found = [state for state in states if state in ("active", "enabled")]
    found += ["started"] if (host.root / f"var/started-{name}").exists() else []
    return found + [path.name for path in (host.root / "etc").glob(f"rc?.d/S*{name}")]


def _left(host: Host) -> list[str]:
    """What is left on the computer of having installed something."""
    record = host.root / RECORD.relative_to("/")
    policy = host.root / "usr/sbin/policy-rc.d"
    return [str(path) for path in (record, record.parent, policy) if path.exists()]


def test_a_service_is_neither_started_nor_enabled(computer: Host) -> None:
    assert "installing tiny" in _install(computer, "tiny")
    assert "install ok installed" in computer.ok("dpkg-query", "--status", "tiny")
    assert _in_force(computer, "tiny") == []
    # What the computer's owner has installed is as it was.
    assert _in_force(computer, "owned")[:2] == ["active", "enabled"]
    assert _left(computer) == []
    # Nor does it come into force with the next version of the package.
    computer.ok("apt-get", "install", "--yes", "--reinstall", "tiny")
    assert "enabled" not in _in_force(computer, "tiny")


def test_nor_on_a_computer_that_was_not_booted_by_systemd(computer: Host) -> None:
    """There, scripts of System V's are what is started, in a runlevel that has them."""
    computer.run("systemctl", "stop", "tiny")
    (computer.root / "usr/sbin/runlevel").unlink()
    computer.write("/usr/sbin/runlevel", "#!/bin/sh\necho N 2\n", 0o755)
    computer.run("apt-get", "purge", "--yes", "tiny")
    (computer.root / "var/started-tiny").unlink(missing_ok=True)
    hidden = 'mount -t tmpfs none /run/systemd && exec "$@"'
    install = _python("install(['tiny'], print)")
    computer.ok("unshare", "--mount", "sh", "-c", hidden, "sh", *install)
    assert "install ok installed" in computer.ok("dpkg-query", "--status", "tiny")
    assert _in_force(computer, "tiny") == []
    assert _left(computer) == []


@pytest.mark.parametrize("everything", [False, True])
def test_a_run_that_was_killed_is_settled_later(computer: Host, everything: bool) -> None:
    """By SIGKILL, in the middle of a package's script: the run alone, or what it started as well."""
    computer.run("apt-get", "purge", "--yes", "slow")
    (computer.root / "var/started-slow").unlink(missing_ok=True)
    wait = "/run/slow.wait"
    computer.ok("sh", "-c", f"rm -f {wait}; mkfifo {wait}")
    run = subprocess.Popen(computer.command(*_python("install(['slow'], print)")))
    # Opening it waits until the script has come to it.
    with (computer.root / wait.lstrip("/")).open("wb"):
        computer.ok("pkill", "-KILL", "-f", "packages.install")
        assert run.wait() == -signal.SIGKILL
        if everything:
            computer.ok("pkill", "-KILL", "-x", "apt-get|dpkg|slow.postinst")
            computer.ok("rm", wait)
            settled = computer.ok(*_python("settle(print)"))
        else:
            settling = subprocess.Popen(
                computer.command(*_python("settle(lambda line: print(line, flush=True))")),
                stdout=subprocess.PIPE,
                text=True,
            )
            assert settling.stdout is not None
            # The apt-get that goes on has it still.
            settled = settling.stdout.readline()
            assert settled.startswith("waiting for apt-get (process ")
    if not everything:
        settled += settling.communicate(timeout=300)[0]
        assert settling.returncode == 0
    assert "interrupted" in settled
    assert "install ok installed" in computer.ok("dpkg-query", "--status", "slow")
    assert _in_force(computer, "slow") == []
    assert _left(computer) == []


def test_so_is_one_that_was_killed_before_all_was_unpacked(computer: Host) -> None:
    """The first is unpacked, and what it depends on is not: that cannot be configured."""
    wait = "/run/pair.wait"
    computer.ok("mkfifo", wait)
    run = subprocess.Popen(computer.command(*_python("install(['left'], print)")))
    with (computer.root / wait.lstrip("/")).open("wb"):
        computer.ok("pkill", "-KILL", "-f", "packages.install")
        assert run.wait() == -signal.SIGKILL
        computer.ok("pkill", "-KILL", "-x", "apt-get|dpkg|preinst|.*\\.preinst")
        computer.ok("rm", wait)
    states = {_state(computer, name) for name in ("left", "right")}
    assert "unpacked" in states
    assert "interrupted" in computer.ok(*_python("settle(print)"))
    for name in ("left", "right"):
        assert _state(computer, name) == "installed"
        assert _in_force(computer, name) == []
    assert _left(computer) == []


def test_what_could_not_be_had_is_forgotten(computer: Host) -> None:
    """Its owner may install it, and its service is then left alone."""
    failed = computer.run(*_python("install(['gone'], print)"))
    assert failed.returncode == 1
    assert "gone.deb" in failed.stderr
    assert _left(computer) == []


def test_only_what_is_half_installed_is_settled_later(computer: Host) -> None:
    computer.run("apt-get", "purge", "--yes", "slow", "tiny")
    (computer.root / "var/started-slow").unlink(missing_ok=True)
    computer.write("/run/slow.fails", "")
    failed = computer.run(*_python("install(['slow', 'tiny'], print)"))
    assert failed.returncode == 1
    assert (computer.root / RECORD.relative_to("/")).read_text() == "slow\n"
    computer.ok("rm", "/run/slow.fails")
    assert "interrupted" in computer.ok(*_python("settle(print)"))
    assert _state(computer, "slow") == "installed"
    assert _in_force(computer, "slow") == []
    assert _left(computer) == []


_ALONE = """
import sys
sys.path.insert(0, "/opt/project")
from sandbox import apt, packages
from sandbox.errors import SandboxError
apt._PATIENCE = 0
with packages._alone(print):
    try:
        with packages._alone(print):
            pass
    except SandboxError as error:
        print(error)
"""


def test_another_run_is_waited_for_no_longer_than_apt(computer: Host) -> None:
    """Nor can anybody but root keep a run waiting."""
    said = computer.ok("timeout", "60", "python3", "-c", _ALONE)
    assert said.startswith("Waited 0 minutes for another run (process ")
    lock = "/run/plex-on-nixos.lock"
    assert computer.ok("stat", "--format=%U %a", lock) == "root 600\n"
    assert computer.ok("flock", "--nonblock", lock, "echo", "free") == "free\n"


@pytest.mark.parametrize("lock", ["/var/lib/apt/lists/lock", "/var/lib/dpkg/lock-frontend"])
def test_somebody_elses_apt_is_waited_for(computer: Host, lock: str) -> None:
    computer.run("apt-get", "purge", "--yes", "tiny")
    holder = subprocess.Popen(
        computer.command("python3", "-c", _HOLD, lock),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    call = "install(['tiny'], lambda line: print(line, flush=True))"
    run = subprocess.Popen(computer.command(*_python(call)), stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    assert run.stdout.readline() == "installing tiny\n"
    told = run.stdout.readline()
    assert told.startswith("waiting for python3 (process ")
    assert told.endswith(f"), which holds {lock}\n")
    holder.communicate()
    run.communicate(timeout=300)
    assert run.returncode == 0
    assert "install ok installed" in computer.ok("dpkg-query", "--status", "tiny")
