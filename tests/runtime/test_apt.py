"""What the computer's own apt is asked, with a configuration of the test's in the place of the computer's."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import apt
from sandbox.errors import SandboxError
from tests.runtime.lone_host import REPO


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this apt has everything; its locks are there to be held."""
    for path in ("parts", "lists/partial", "archives/partial", "dpkg"):
        (tmp_path / path).mkdir(parents=True)
    for lock in ("lists/lock", "archives/lock", "dpkg/lock", "dpkg/lock-frontend"):
        (tmp_path / lock).touch()
    (tmp_path / "dpkg/status").touch()
    configuration = tmp_path / "apt.conf"
    configuration.write_text(f"""
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "{tmp_path}/parts";
Dir::State::Lists "{tmp_path}/lists";
Dir::State::Status "{tmp_path}/dpkg/status";
Dir::Cache::Archives "{tmp_path}/archives";
Acquire::http::Proxy "http://proxy.example:3128";
Acquire::https::Verify-Peer "false";
APT::Sandbox::User "root";
""")
    monkeypatch.setenv("APT_CONFIG", str(configuration))
    return tmp_path


def _archive(folder: Path, origin: str) -> str:
    """Make an archive that lists one package, and return its URI."""
    made = folder / origin
    listed = made / "dists/stable/main/binary-all"
    listed.mkdir(parents=True)
    packages = "Package: none\nVersion: 1\nArchitecture: all\nFilename: ./none.deb\nSize: 1\n"
    (listed / "Packages").write_text(packages)
    sha256 = hashlib.sha256(packages.encode()).hexdigest()
    (made / "dists/stable/Release").write_text(
        f"Origin: {origin}\nLabel: {origin}\nSuite: stable\nCodename: stable\n"
        "Architectures: all\nComponents: main\nSHA256:\n"
        f" {sha256} {len(packages)} main/binary-all/Packages\n"
    )
    return f"file:{made}"


def test_the_archive_is_the_one_that_apt_has_for_debian(folder: Path) -> None:
    other, ours = _archive(folder, "Other"), _archive(folder, "Debian")
    options = "[arch=all trusted=yes]"
    (folder / "parts/a.list").write_text(f"deb {options} {other} stable main\n")
    assert apt.run(["apt-get", "update", "-qq"], print) == ""
    assert apt.source("trixie") is None
    (folder / "parts/b.list").write_text(f"\ndeb {options} {ours} stable main\n")
    apt.run(["apt-get", "update", "-qq"], print)
    assert apt.source("trixie") == f"deb {options} {ours}/ trixie main\n"


def test_the_way_to_it_is_apts_too(folder: Path) -> None:
    assert 'Acquire::http::Proxy "http://proxy.example:3128";' in apt.way()
    assert 'Acquire::https::Verify-Peer "false";' in apt.way()


_HOLD = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("lock", ["lists/lock", "archives/lock", "dpkg/lock", "dpkg/lock-frontend"])
def test_whoever_holds_a_lock_for_too_long_is_named(
    folder: Path, lock: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apt, "_PATIENCE", 0.0)
    command = ["python3", "-c", _HOLD, str(folder / lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(SandboxError) as refused:
            apt.run(["apt-get", "update", "-qq"], print)
        name = Path(f"/proc/{holder.pid}/comm").read_text().strip()
        holder.communicate()
    assert str(refused.value) == (
        f"Waited 0 minutes for {name} (process {holder.pid}), which holds {folder / lock}. "
        "Run this again when it has ended, or end it."
    )


def test_what_apt_says_of_a_failure_is_told(folder: Path) -> None:
    (folder / "parts/a.list").write_text("deb nonsense\n")
    with pytest.raises(SandboxError, match=r"apt-get update -qq failed:\nE: Malformed entry 1"):
        apt.run(["apt-get", "update", "-qq"], print)
    with pytest.raises(SandboxError, match="Malformed entry 1"):
        apt.source("trixie")


_KILLED = """
import sys
from sandbox import apt
apt.run(["sh", "-c", "exec 3>whole; cat go; echo more; echo more >&2; echo whole >&3"], print)
"""


def test_it_goes_on_when_the_run_has_been_killed(folder: Path) -> None:
    """Also when it prints something, which a pipe would answer with SIGPIPE."""
    for name in ("go", "whole"):
        os.mkfifo(folder / name)
    code = {**os.environ, "PYTHONPATH": str(REPO)}
    with subprocess.Popen([sys.executable, "-c", _KILLED], cwd=folder, env=code) as run:
        whole, go = (folder / "whole").open(), (folder / "go").open("w")
        run.kill()
        assert run.wait() == -signal.SIGKILL
        go.close()
        with whole:
            assert whole.read() == "whole\n"


def test_one_that_does_not_end_is_told_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By SIGTERM, after which it can clean up. The message says what it was waiting for."""
    monkeypatch.setattr(apt, "_LONGEST", 5.0)
    script = "trap 'kill $!; touch ended; exit' TERM; sleep infinity & echo said; wait"
    monkeypatch.chdir(folder)
    with pytest.raises(SandboxError) as refused:
        apt.run(["sh", "-c", script], print)
    assert re.search(
        r"did not end within 0 minutes, and was told to\. It was waiting for sleep \(process \d+\)\. "
        r"If that still runs, end it; then run this again\. The end of what it printed:\nsaid$",
        str(refused.value),
    )
    assert (folder / "ended").exists()
