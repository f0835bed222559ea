"""From Ubuntu into the installer where it goes wrong: under real systemd, with one that cannot jump."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from collections.abc import Iterator

import pytest

from components.payload import installer_file, payload
from components.pins import Pin
from tests.runtime.lone_host import REPO, Host, host

# An installer whose jump fails as told, and which notes how it was asked to.
RUN = """#!/bin/sh
echo "run${*:+ }$*" >>/root/asked
[ ! -e /root/refuses ] || [ $# != 0 ]
"""
# What closes sshd before kexec.sh runs, at each boot.
CLOSED = (
    "touch /etc/ssh/sshd_not_to_be_run; systemctl mask --quiet --runtime ssh.socket ssh.service"
)


def tarball() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        entry = tarfile.TarInfo("kexec/run")
        entry.size, entry.mode = len(RUN), 0o755
        archive.addfile(entry, io.BytesIO(RUN.encode()))
    return buffer.getvalue()


TARBALL = tarball()
RIGHT = Pin(url="file:///srv/installer.tar.gz", sha256=hashlib.sha256(TARBALL).hexdigest())
WRONG = Pin(url=RIGHT.url, sha256="0" * 64)


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with host(tmp_path_factory.mktemp("kexec")) as running:
        (running.root / "srv/installer.tar.gz").write_bytes(TARBALL)
        yield running


@pytest.fixture
def ubuntu(lone: Host) -> Host:
    """As it is before kexec.sh runs for the first time."""
    lone.ok("sh", "-c", f"{CLOSED}; systemctl stop ssh.service; systemctl reset-failed")
    lone.ok("sh", "-c", "rm -rf /root/* /etc/ssh/ssh_host_* /usr/local/bin/uname")
    lone.ok("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/install_host_key")
    lone.write("/root/kexec.sh", (REPO / "nix/host/kexec.sh").read_text())
    lone.write("/root/installer", installer_file(RIGHT))
    lone.write("/etc/os-release", "ID=ubuntu\n")
    # The jump has 120 s to come, and does not come here.
    lone.write("/usr/local/bin/sleep", "#!/bin/sh\n", 0o755)
    return lone


def asked(ubuntu: Host) -> list[str]:
    """How the installer was asked to jump."""
    return ubuntu.ok("sh", "-c", "cat /root/asked 2>/dev/null || :").splitlines()


def install(ubuntu: Host, pin: Pin) -> subprocess.CompletedProcess[str]:
    """What the `install` command runs on an Ubuntu that is still there."""
    scripts = ("kexec-failed.sh", "kexec.sh")
    files = {f"installation/{name}": (REPO / "nix/host" / name).read_text() for name in scripts}
    files["installation/installer"] = installer_file(pin)
    stdin = payload(files, "installation/kexec-failed.sh", directory="/root")
    return ubuntu.run("bash", "-s", stdin=stdin)


def test_any_other_system_is_left_alone(ubuntu: Host) -> None:
    ubuntu.write("/etc/os-release", "ID=nixos\n")
    ubuntu.write("/etc/ssh/ssh_host_ed25519_key", "its own\n")

    assert "this is nixos, not Ubuntu" in ubuntu.run("sh", "/root/kexec.sh").stderr
    assert asked(ubuntu) == []
    assert ubuntu.ok("cat", "/etc/ssh/ssh_host_ed25519_key") == "its own\n"


def test_a_server_where_the_jump_is_refused_is_asked_by_the_older_call(ubuntu: Host) -> None:
    ubuntu.write("/root/refuses", "")
    ubuntu.ok("sh", "/root/kexec.sh")

    assert asked(ubuntu) == ["run", "run --kexec-extra-flags --kexec-syscall"] * 3


def test_on_arm_the_older_call_is_the_first(ubuntu: Host) -> None:
    ubuntu.write("/usr/local/bin/uname", "#!/bin/sh\necho aarch64\n", 0o755)
    ubuntu.ok("sh", "/root/kexec.sh")

    assert asked(ubuntu) == ["run --kexec-extra-flags --kexec-syscall"] * 3


def test_after_the_last_attempt_sshd_opens_with_the_install_host_key(ubuntu: Host) -> None:
    ubuntu.write("/root/installer", installer_file(WRONG))
    ubuntu.write("/etc/ssh/ssh_host_rsa_key", "Ubuntu's\n")
    ubuntu.ok("sh", "/root/kexec.sh")

    assert asked(ubuntu) == []
    log = ubuntu.ok("cat", "/root/kexec.log")
    assert log.count("installer.tar.gz: FAILED") == 3
    assert "attempt 3 failed" in log
    ubuntu.ok("test", "-e", "/root/kexec.failed")
    ubuntu.connect("127.0.0.1", 22).close()
    served = ubuntu.ok("ssh-keyscan", "-q", "-T", "60", "127.0.0.1").splitlines()
    own = ubuntu.ok("cat", "/root/install_host_key.pub").split()[:2]
    assert [line.split()[1:] for line in served if not line.startswith("#")] == [own]


def test_the_first_run_is_told_and_the_second_lets_it_try_again(ubuntu: Host) -> None:
    ubuntu.write("/root/installer", installer_file(WRONG))
    ubuntu.ok("sh", "/root/kexec.sh")

    told = install(ubuntu, RIGHT)
    assert told.returncode == 1
    assert "installer.tar.gz: FAILED" in told.stdout
    assert told.stdout.splitlines()[-1].startswith(
        "install: failed: this server is still Hetzner's"
    )
    assert asked(ubuntu) == []
    ubuntu.connect("127.0.0.1", 22).close()

    # With what the stack knows by now; and until then nobody meets the sshd that was open.
    ubuntu.write("/root/kexec.sh", "an older one\n")
    ubuntu.write(
        "/usr/local/bin/sleep",
        "#!/bin/sh\nuntil [ -e /root/go ]; do /usr/bin/sleep 0.1; done\n",
        0o755,
    )
    assert install(ubuntu, RIGHT).returncode == 75
    with pytest.raises(ConnectionRefusedError):
        ubuntu.connect("127.0.0.1", 22)
    ubuntu.write("/root/go", "")
    ubuntu.ok("sh", "-c", "while systemctl is-active -q kexec; do :; done")
    assert asked(ubuntu) == ["run"] * 3
    # That failed as well, and is news again.
    assert install(ubuntu, RIGHT).returncode == 1
    assert ".payload" not in ubuntu.ok("ls", "-A", "/root")
