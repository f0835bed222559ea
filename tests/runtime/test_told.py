"""nix/host/told.sh by real SSH: whether the client of a session has learnt how it ended."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.rendering import NIX
from tests.runtime.sshd import Sshd

SECONDS = 60

# As reported.sh has it, but for a unit of systemd's: what is found out goes into the file `found`.
SESSION = f"""
echo running
{{ read -r _ <&3; }} 3<go-on
set -- $SSH_CONNECTION
client=$1
port=$2
. {NIX}/host/told.sh
look
first=$(session)
export client port
setsid sh -c '. {NIX}/host/told.sh; told "$1" "$2" && echo told >found || echo "not told" >found' \\
  sh "$first" "$received" </dev/null >/dev/null 2>&1 &
"""


@pytest.fixture
def client(tmp_path: Path) -> Iterator[list[str]]:
    """An SSH client's command line, up to its options, with a folder for the session to work in."""
    os.mkfifo(tmp_path / "go-on")
    os.mkfifo(tmp_path / "found")
    key = tmp_path / "key"
    with Sshd(tmp_path / "sshd") as server:
        key.touch(mode=0o600)
        key.write_text(server.client.private)
        (tmp_path / "known").write_text(f"[127.0.0.1]:{server.port} {server.host.public}\n")
        options = (f"UserKnownHostsFile={tmp_path}/known", "IdentityAgent=none", "BatchMode=yes")
        yield [
            *("ssh", "-F", "none", "-i", str(key), "-p", str(server.port), "-l", server.user),
            *(f"-o{option}" for option in options),
        ]


def begin(command: list[str], folder: Path, before: str = ":") -> subprocess.Popen[str]:
    """A session that has begun, and waits. What waits for its client runs `before` first."""
    session = SESSION.replace("setsid sh -c '", f"setsid sh -c '{before}; ")
    process = subprocess.Popen(
        [*command, "127.0.0.1", f"cd {folder}; {session}"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "running\n"
    return process


def found(folder: Path) -> str:
    """What was found out, once it was."""
    done = subprocess.run(
        ["cat", folder / "found"], capture_output=True, text=True, timeout=SECONDS, check=True
    )
    return done.stdout.strip()


def test_one_that_stays_connected_is_told(client: list[str], tmp_path: Path) -> None:
    """As Pulumi's command plugin does, until its whole run is over."""
    control = [*client, "-S", str(tmp_path / "control")]
    process = begin([*control, "-oControlMaster=yes", "-oControlPersist=yes"], tmp_path)
    try:
        (tmp_path / "go-on").write_text("\n")
        assert found(tmp_path) == "told"
        subprocess.run([*control, "-O", "check", "127.0.0.1"], check=True)
    finally:
        subprocess.run([*control, "-O", "exit", "127.0.0.1"], check=True)
        process.communicate(timeout=SECONDS)


def test_one_that_hangs_up_is_told(client: list[str], tmp_path: Path) -> None:
    process = begin(client, tmp_path)
    (tmp_path / "go-on").write_text("\n")
    assert found(tmp_path) == "told"
    process.communicate(timeout=SECONDS)
    assert process.returncode == 0


def test_one_that_went_before_the_end_is_not_told(client: list[str], tmp_path: Path) -> None:
    process = begin(client, tmp_path)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=SECONDS)
    (tmp_path / "go-on").write_text("\n")
    assert found(tmp_path) == "not told"


def test_one_that_had_gone_before_the_first_look_is_not_told() -> None:
    """Its session is over, too, before anybody waits for that."""
    with subprocess.Popen(["true"]) as ended:
        pass
    script = f'client=127.0.0.1 port=1; . {NIX}/host/told.sh; look; told "$1" "$received"'
    done = subprocess.run(["sh", "-c", script, "sh", str(ended.pid)], check=False)
    assert done.returncode == 1


def test_one_that_hangs_up_while_we_look_is_told() -> None:
    ends = 'look() { kill "$first"; wait "$first" || :; pending=; }'
    script = f'client=127.0.0.1 port=1; . {NIX}/host/told.sh; sleep 100 & first=$!; {ends}; told "$first" 1'
    assert subprocess.run(["sh", "-c", script], check=False).returncode == 0


def test_one_that_is_stopped_is_waited_for_a_minute(client: list[str], tmp_path: Path) -> None:
    """Its kernel has the end of the session, and it never answers. The minute is cut short here."""
    process = begin(client, tmp_path, before="sleep() { :; }")
    process.send_signal(signal.SIGSTOP)
    try:
        (tmp_path / "go-on").write_text("\n")
        assert found(tmp_path) == "told"
    finally:
        process.send_signal(signal.SIGCONT)
        process.communicate(timeout=SECONDS)
