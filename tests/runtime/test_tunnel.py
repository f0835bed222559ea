"""What SSH forwards: a real sshd with the configuration's own sshd_config, and a real client."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.runtime.lone_host import Host, host

_CONFIG = 'builtins.readFile config.environment.etc."ssh/sshd_config".source'
# The keys of the host, of an administrator (a user without a password) and, as the deploy key, of root.
_KEYS = """
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
ssh-keygen -q -t ed25519 -N '' -f /root/key
groupadd -r wheel
useradd -m -p '*' -G wheel alice
mkdir -p /etc/ssh/authorized_keys.d /var/lib/deploy
cp /root/key.pub /etc/ssh/authorized_keys.d/alice
cp /root/key.pub /var/lib/deploy/root
sed 's/^/127.0.0.1 /' /etc/ssh/ssh_host_ed25519_key.pub >/root/known_hosts
"""
_SSH = [
    "ssh",
    "-i",
    "/root/key",
    "-o",
    "UserKnownHostsFile=/root/known_hosts",
    "-o",
    "BatchMode=yes",
]


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    answer = Starlette(routes=[Route("/identity", lambda _: PlainTextResponse("it is Plex"))])
    with host(tmp_path_factory.mktemp("tunnel")) as running:
        running.ok("sh", "-euc", _KEYS)
        running.ok("systemctl", "stop", "ssh")
        config = running.build({"config": _CONFIG})["config"]
        running.ok("mkdir", "-p", "/run/sshd")
        running.ok("systemd-run", "--unit=tunnel-sshd", "/usr/sbin/sshd", "-D", "-f", config)
        running.await_port("127.0.0.1", 22)
        with running.serving(answer, 32400), running.serving(answer, 8000):
            yield running


def ssh(
    on: Host, user: str, *options: str, command: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    return on.run(*_SSH, *options, f"{user}@127.0.0.1", *command)


# The client goes into the background once the tunnel is there, and ends when it is told to.
_THROUGH = """
ssh=$1 place=$2
rm -f /root/said
$ssh -E /root/said -f -N -M -S /root/control -L "9000:$place" "$3"
curl -s --max-time 60 http://127.0.0.1:9000/identity || :
$ssh -q -S /root/control -O exit "$3"
while [ -e /root/control ] || ss -Hltn sport = :9000 | grep -q .; do sleep 0.05; done
"""


def through(on: Host, user: str, place: str) -> str:
    """What is answered behind a tunnel."""
    return on.ok("sh", "-euc", _THROUGH, "sh", " ".join(_SSH), place, f"{user}@127.0.0.1")


@pytest.mark.parametrize("user", ["alice", "root"])
def test_plex_is_at_the_end_of_a_tunnel(user: str, lone: Host) -> None:
    assert ssh(lone, user, command=["id", "-un"]).stdout == f"{user}\n"

    for name in ("127.0.0.1", "localhost"):
        assert through(lone, user, f"{name}:32400") == "it is Plex"


@pytest.mark.parametrize("user", ["alice", "root"])
@pytest.mark.parametrize(
    "place", ["127.0.0.1:8000", "127.0.0.1:22", "[::1]:32400", "192.0.2.1:32400"]
)
def test_nothing_else_is(place: str, user: str, lone: Host) -> None:
    refused = ssh(lone, user, "-W", place)

    assert refused.returncode == 255
    assert "administratively prohibited" in refused.stderr
    assert refused.stdout == ""


@pytest.mark.parametrize("user", ["alice", "root"])
def test_no_socket_in_its_files_is(user: str, lone: Host) -> None:
    assert through(lone, user, "/run/dbus/system_bus_socket") == ""

    assert "open failed" in lone.ok("cat", "/root/said")


@pytest.mark.parametrize("user", ["alice", "root"])
def test_nobody_listens_on_the_host(user: str, lone: Host) -> None:
    forward = ["-o", "ExitOnForwardFailure=yes", "-R", "8022:127.0.0.1:8000"]
    refused = ssh(lone, user, *forward, command=["echo", "in"])

    assert refused.returncode == 255, refused.stderr
    assert refused.stdout == ""


@pytest.mark.parametrize("user", ["alice", "root"])
def test_nobody_gets_a_network_of_it(user: str, lone: Host) -> None:
    # As sshd reads it: a client needs a device of its own first, which is not to be had here.
    config = (
        lone.ok("systemctl", "show", "-P", "ExecStart", "tunnel-sshd").split(" -f ")[1].split()[0]
    )
    connection = f"user={user},host=elsewhere.example,addr=203.0.113.77"

    read = lone.ok("/usr/sbin/sshd", "-T", "-f", config, "-C", connection)

    assert "permittunnel no" in read.splitlines()


def test_no_agent_comes_along(lone: Host) -> None:
    with_agent = (
        f"eval $(ssh-agent) >&2; {' '.join(_SSH)} -A alice@127.0.0.1 env; kill $SSH_AGENT_PID"
    )

    environment = lone.ok("sh", "-c", with_agent)
    assert "USER=alice" in environment
    assert "SSH_AUTH_SOCK" not in environment
