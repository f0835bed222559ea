"""One change on a host: submit.sh, session.sh, converge.sh and nixpkgs.sh under real systemd, shell and Nix.

What is small is what they work on: a nixpkgs of one derivation whose systems write down how they are called,
and a health check that looks at the system's name.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import anyio
import anyio.to_thread
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from components import configuration
from components.payload import payload
from tests import stack
from tests.runtime.lone_host import REPO, Host, host, skip_reason

pytestmark = pytest.mark.skipif(skip_reason() is not None, reason=skip_reason() or "")

_UNIT = "nixos-rebuild-switch-to-configuration"
_PORT = 8081
_NIXPKGS = "/var/lib/nixpkgs"
_SYSTEM = """
let
  asked = import <nixos-config>;
in
{
  system = derivation {
    name = "nixos-system";
    system = "x86_64-linux";
    builder = "/bin/sh";
    PATH = "/usr/bin";
    called = asked.name;
    inherit (asked) build activate;
    nixpkgs = NUMBER;
    args = [
      (builtins.toFile "builder.sh" ''
        set -eu
        mkdir -p $out/bin
        echo $called >$out/name
        echo $nixpkgs >$out/nixpkgs
        eval "$build"
        cat >$out/bin/switch-to-configuration <<END
        #!/bin/sh
        set -eu
        echo "\\$1 $called" >>/run/switched
        case \\$1 in
          test) ln -sfn $out /run/current-system; $activate ;;
          boot) ln -sfn $out /boot-default ;;
        esac
        END
        chmod +x $out/bin/switch-to-configuration
      '')
    ];
  };
}
"""
_HEALTH = """
case $(cat /run/current-system/name) in
  ill*) echo "health: this one is ill"; exit 1 ;;
esac
echo "health: well"
"""


@dataclass(frozen=True)
class Change:
    """A configuration as `pulumi up` submits it."""

    name: str
    build: str = ":"
    activate: str = ":"
    stack: str = "prod"
    seconds: int = 60
    nixpkgs: int = 1
    sha256: str | None = None

    def files(self, downloads: Downloads) -> dict[str, str]:
        values = {
            "STACK": self.stack,
            "DOMAIN": "plex.films.sandbox",
            "RELEASE": "26.05",
            "NIXPKGS_URL": downloads.url(self.nixpkgs),
            "NIXPKGS_SHA256": self.sha256 or downloads.sha256[self.nixpkgs],
            "ACKNOWLEDGE_SECONDS": str(self.seconds),
        }
        # Nothing that the scripts are told has another name in the program.
        told = configuration.parameters(stack.settings_of(), "prod")
        assert {line.split("=")[0] for line in told.splitlines()} == set(values)
        shell = (REPO / "nix/host" / name for name in ("converge", "nixpkgs", "session", "submit"))
        return {
            "parameters": "".join(f"{key}='{value}'\n" for key, value in values.items()),
            "configuration.nix": (
                f'{{ name = "{self.name}"; build = "{self.build}"; activate = "{self.activate}"; }}\n'
            ),
            "host/health.sh": _HEALTH,
            **{f"host/{p.name}.sh": p.with_suffix(".sh").read_text() for p in shell},
        }


@dataclass
class Downloads:
    """releases.nixos.org with two releases, and a way to let a download hang."""

    tarballs: dict[int, bytes] = field(default_factory=dict)
    sha256: dict[int, str] = field(default_factory=dict)
    hangs: threading.Event = field(default_factory=threading.Event)
    hanging: threading.Event = field(default_factory=threading.Event)

    @staticmethod
    def name(number: int) -> str:
        return f"nixos-26.05.{number}.abcdef{number:06}"

    def url(self, number: int) -> str:
        return f"http://127.0.0.1:{_PORT}/nixos/26.05/{self.name(number)}/nixexprs.tar.xz"

    def make(self, on: Host, number: int) -> None:
        folder = f"/srv/{self.name(number)}"
        on.write(f"{folder}/nixos/default.nix", _SYSTEM.replace("NUMBER", str(number)))
        on.ok("tar", "-cJf", f"{folder}.tar.xz", "-C", "/srv", self.name(number))
        self.tarballs[number] = (on.root / f"{folder[1:]}.tar.xz").read_bytes()
        self.sha256[number] = on.ok("nix-hash", "--type", "sha256", "--sri", folder).strip()

    def app(self) -> Starlette:
        async def tarball(request: Request) -> Response:
            content = self.tarballs[request.path_params["number"]]
            if not self.hangs.is_set():
                return Response(content)

            async def half() -> object:
                yield content[: len(content) // 2]
                self.hanging.set()
                while self.hangs.is_set():
                    await anyio.sleep(0.05)

            length = {"content-length": str(len(content))}
            return StreamingResponse(half(), headers=length)  # type: ignore[arg-type]

        path = "/nixos/26.05/nixos-26.05.{number:int}.{revision}/nixexprs.tar.xz"
        return Starlette(routes=[Route(path, tarball)])


@dataclass(frozen=True)
class Session:
    """How a connection ended."""

    status: int
    text: str


class Managed:
    """A host that `pulumi up` looks after, and what became of it."""

    def __init__(self, on: Host, downloads: Downloads) -> None:
        self.host = on
        self.downloads = downloads

    def session(self, change: Change) -> Session:
        """One connection from its beginning to its end."""
        done = self.host.run("bash", "-s", stdin=self._stdin(change))
        return Session(done.returncode, done.stdout + done.stderr)

    @contextmanager
    def begun(self, change: Change) -> Iterator[subprocess.Popen[str]]:
        """A connection that goes on; it is cut at the end."""
        with subprocess.Popen(
            self.host.command("bash", "-s"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            assert process.stdin is not None
            process.stdin.write(self._stdin(change))
            process.stdin.close()
            try:
                yield process
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def _stdin(self, change: Change) -> str:
        return payload(change.files(self.downloads), "host/submit.sh", directory="/etc")

    def read(self, path: str) -> str:
        return (self.host.root / path.lstrip("/")).read_text()

    def name_of(self, system: str) -> str:
        """The name of the system that a link on the host leads to."""
        return self.host.ok("cat", f"{system}/name").strip()

    @property
    def state(self) -> dict[str, str]:
        """Which system runs, which is the profile's, and what the configuration is called."""
        configured = self.read("/etc/nixos/configuration.nix").split('"')[1]
        return {
            "running": self.name_of("/run/current-system"),
            "profile": self.name_of("/nix/var/nix/profiles/system"),
            "boots": self.name_of("/boot-default"),
            "configured": configured,
        }

    @property
    def switched(self) -> list[str]:
        path = self.host.root / "run/switched"
        return path.read_text().splitlines() if path.exists() else []

    def left_in_etc(self) -> list[str]:
        """Payloads that nobody took away."""
        return [path.name for path in (self.host.root / "etc").glob(".payload.*")]

    def trees(self) -> set[str]:
        """What lies among the nixpkgs, half downloads too."""
        return {path.name for path in (self.host.root / _NIXPKGS[1:]).iterdir()} - {"current"}

    def ended(self) -> None:
        """Wait until the supervisor has ended."""
        for _ in range(300):
            if self.host.run("systemctl", "is-active", "--quiet", _UNIT).returncode:
                return
            threading.Event().wait(0.05)
        pytest.fail("the supervisor is still at it")

    def all_is(self, name: str) -> None:
        assert self.state == dict.fromkeys(("running", "profile", "boots", "configured"), name)


def slow_change() -> Change:
    """Its build goes on until /run/go is there. None is built twice, so each is another."""
    return Change("one", build=f"while [ ! -e /run/go ]; do sleep 0.1; done; : {uuid4()}")


@pytest.fixture(scope="module")
def downloads() -> Downloads:
    return Downloads()


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory, downloads: Downloads) -> Iterator[Host]:
    with host(tmp_path_factory.mktemp("converge")) as running:
        for number in (1, 2):
            downloads.make(running, number)
        with running.serving(downloads.app(), _PORT):
            yield running


@pytest.fixture
def managed(lone: Host, downloads: Downloads) -> Iterator[Managed]:
    """A host whose configuration is called `zero`, on the first nixpkgs."""
    install(lone, downloads, 1)
    made = Managed(lone, downloads)
    yield made
    lone.run("systemctl", "stop", _UNIT)
    (lone.root / "run/go").unlink(missing_ok=True)
    assert made.left_in_etc() == []


def install(lone: Host, downloads: Downloads, number: int) -> None:
    """The host as its installation leaves it."""
    script = f"""
    set -eu
    rm -rf /etc/nixos /etc/nixos.* /run/converge /run/switched {_NIXPKGS} /nix/var/nix/profiles/system*
    mkdir -p /etc/nixos {_NIXPKGS} /var/lib/host
    echo prod >/var/lib/host/stack
    cp -r /srv/{downloads.name(number)} {_NIXPKGS}/
    ln -s {downloads.name(number)} {_NIXPKGS}/current
    """
    lone.ok("sh", "-c", script)
    for path, text in Change("zero").files(downloads).items():
        lone.write(f"/etc/nixos/{path}", text)
    lone.write("/etc/nixos/host.nix", "{ }\n")
    script = f"""
    set -eu
    built=$(nix-build '<nixpkgs/nixos>' -A system --no-out-link \\
      -I nixpkgs={_NIXPKGS}/current -I nixos-config=/etc/nixos/configuration.nix)
    nix-env --quiet --profile /nix/var/nix/profiles/system --set "$built"
    ln -sfn "$built" /run/current-system
    ln -sfn "$built" /boot-default
    """
    lone.ok("sh", "-c", script)


def test_a_change_takes_two_connections(managed: Managed) -> None:
    first = managed.session(Change("one"))
    assert first.status == 75, first.text
    assert '+{ name = "one";' in first.text
    assert first.text.splitlines()[-1].startswith("converge: waiting: ")
    assert managed.state == {
        "running": "one",
        "profile": "zero",
        "boots": "zero",
        "configured": "zero",
    }

    second = managed.session(Change("one"))
    assert second.status == 0, second.text
    managed.all_is("one")
    assert managed.switched == ["test one", "boot one"]
    assert second.text.splitlines()[0] == "converge: acknowledged"
    assert second.text.splitlines()[-1].startswith("converge: done: ")
    assert '"zero"' in managed.read("/etc/nixos.previous/configuration.nix")
    assert managed.read("/etc/nixos/host.nix") == "{ }\n"
    managed.ended()


def test_what_changes_nothing_takes_one_connection(managed: Managed) -> None:
    done = managed.session(Change("zero", seconds=61))
    assert done.status == 0, done.text
    assert "changes: none in the system" in done.text
    assert managed.switched == []
    managed.all_is("zero")
    assert "ACKNOWLEDGE_SECONDS='61'" in managed.read("/etc/nixos/parameters")


def test_without_an_acknowledgement_it_goes_back_and_says_so_once(managed: Managed) -> None:
    change = Change("one", seconds=3)
    assert managed.session(change).status == 75
    managed.ended()
    managed.all_is("zero")
    assert managed.switched == ["test one", "test zero"]

    late = managed.session(change)
    assert late.status == 1
    assert "no second connection came within 3 s" in late.text
    assert "the host is back on the generation before" in late.text.splitlines()[-1]
    assert managed.switched == ["test one", "test zero"]

    assert managed.session(change).status == 75
    assert managed.switched[2:] == ["test one"]


def test_another_change_is_refused_while_one_is_made(managed: Managed) -> None:
    slow = slow_change()
    with managed.begun(slow) as first:
        await_line(first, "converge: build")
        refused = managed.session(Change("two"))
        assert refused.status == 1
        assert refused.text.startswith("converge: another change is being made on this host since ")
        assert len(refused.text.splitlines()) == 1

        managed.host.write("/run/go", "")
        await_line(first, "converge: waiting: ")
        assert first.wait(10) == 75
    refused = managed.session(Change("two"))
    assert refused.status == 1
    assert managed.session(slow).status == 0
    managed.all_is("one")


def test_of_changes_at_the_same_moment_one_is_made(managed: Managed) -> None:
    changes = [Change(f"change-{number}") for number in range(4)]
    with ThreadPoolExecutor(len(changes)) as pool:
        sessions = list(pool.map(managed.session, changes))

    (made,) = [each for each, session in zip(changes, sessions, strict=True) if session.status != 1]
    assert managed.session(made).status == 0
    managed.all_is(made.name)
    for session in sessions:
        if session.status != 75:
            assert session.text.startswith("converge: another change is being made on this host")


def test_another_stacks_host_is_left_alone(managed: Managed) -> None:
    done = managed.session(Change("one", stack="dev"))
    assert done.status == 1
    assert "this host belongs to the stack prod, not to dev" in done.text
    managed.all_is("zero")
    assert managed.switched == []


def test_a_failed_build_leaves_all_as_it_was(managed: Managed) -> None:
    done = managed.session(Change("one", build="echo no such thing >&2; exit 3"))
    assert done.status == 1
    assert "no such thing" in done.text
    assert done.text.splitlines()[-1].startswith("converge: failed: build: ")
    managed.all_is("zero")
    assert managed.switched == []

    assert managed.session(Change("one")).status == 75


def test_an_error_in_the_configuration_is_told_with_its_place(managed: Managed) -> None:
    done = managed.session(Change("one", build='"; wrong = '))
    assert done.status == 1
    assert "/etc/nixos.next/configuration.nix:1" in done.text
    managed.all_is("zero")


def test_failed_health_goes_back(managed: Managed) -> None:
    done = managed.session(Change("ill"))
    assert done.status == 1
    assert "health: this one is ill" in done.text
    assert done.text.splitlines()[-1].startswith("converge: failed: health: ")
    managed.all_is("zero")
    assert managed.switched == ["test ill", "test zero"]

    # What has been told is not told again: the same is tried again.
    assert managed.session(Change("ill")).status == 1
    assert managed.switched == ["test ill", "test zero"] * 2
    assert managed.session(Change("well")).status == 75


def test_a_failed_activation_goes_back(managed: Managed) -> None:
    done = managed.session(Change("one", activate="exit 2"))
    assert done.status == 1
    assert done.text.splitlines()[-1].startswith("converge: failed: activate: ")
    managed.all_is("zero")
    assert managed.switched == ["test one", "test zero"]


@pytest.mark.parametrize(("name", "status"), [("well", 75), ("ill", 1)])
def test_of_a_unit_that_failed_health_has_the_last_word(
    name: str, status: int, managed: Managed
) -> None:
    # What NixOS's switch-to-configuration says of it.
    assert managed.session(Change(name, activate="exit 4")).status == status


def test_a_session_prints_the_end_that_it_ends_with(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("")
    # The last line comes at the worst moment: after the log's size has been taken.
    script = """
    set -eu
    name=work unit=none work=$1
    . "$2"
    at_work() { :; }
    wc() {
      command wc "$@"
      [ -s "$work/log" ] || echo "work: failed: for a reason" >"$work/log"
    }
    follow 0
    """
    session = str(REPO / "nix/host/session.sh")
    told = subprocess.run(
        ["sh", "-c", script, "sh", str(tmp_path), session], capture_output=True, check=True
    )
    assert told.stdout == b"work: failed: for a reason\n"


def test_a_cut_connection_is_taken_up_again(managed: Managed) -> None:
    slow = slow_change()
    with managed.begun(slow) as first:
        await_line(first, "converge: build")
    with managed.begun(slow) as second:
        await_line(second, "converge: build")
        managed.host.write("/run/go", "")
        await_line(second, "converge: waiting: ")
        assert second.wait(10) == 75
    assert managed.session(slow).status == 0
    managed.all_is("one")
    assert managed.switched == ["test one", "boot one"]


def test_a_connection_cut_after_the_acknowledgement_loses_nothing(managed: Managed) -> None:
    change = Change("one")
    assert managed.session(change).status == 75
    with managed.begun(change) as second:
        await_line(second, "converge: acknowledged")
    managed.ended()
    managed.all_is("one")
    assert managed.session(change).status == 0
    managed.all_is("one")


def test_a_supervisor_that_dies_is_told(managed: Managed) -> None:
    slow = slow_change()
    with managed.begun(slow) as first:
        await_line(first, "converge: build")
        managed.host.ok("systemctl", "kill", "--signal=KILL", _UNIT)
        await_line(first, "converge: failed: the supervisor ended without a word")
        assert first.wait(10) == 1
    managed.host.write("/run/go", "")
    assert managed.session(slow).status == 75


def test_a_newer_pin_brings_its_nixpkgs(managed: Managed) -> None:
    downloads = managed.downloads
    newer = Change("zero", nixpkgs=2)
    assert managed.session(newer).status == 75
    assert managed.trees() == {downloads.name(1), downloads.name(2)}
    assert managed.session(newer).status == 0
    assert managed.trees() == {downloads.name(2)}
    assert managed.host.ok("cat", "/run/current-system/nixpkgs") == "2\n"


def test_the_pin_is_a_floor(lone: Host, managed: Managed) -> None:
    install(lone, managed.downloads, 2)
    change = Change("one", nixpkgs=1)
    first = managed.session(change)
    assert first.status == 75, first.text
    assert f"brought this host to {managed.downloads.name(2)} already" in first.text
    assert managed.session(change).status == 0
    assert managed.trees() == {managed.downloads.name(2)}
    assert managed.host.ok("cat", "/run/current-system/nixpkgs") == "2\n"


def test_a_nixpkgs_of_another_hash_is_refused(managed: Managed) -> None:
    wrong = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    done = managed.session(Change("one", nixpkgs=2, sha256=wrong))
    assert done.status == 1
    assert f"has the hash {managed.downloads.sha256[2]}, but the pin says {wrong}" in done.text
    assert managed.trees() == {managed.downloads.name(1)}
    managed.all_is("zero")


def test_an_interrupted_download_leaves_nothing_half(managed: Managed) -> None:
    downloads = managed.downloads
    downloads.hangs.set()
    downloads.hanging.clear()
    script = "/etc/nixos/host/nixpkgs.sh"
    arguments = [_NIXPKGS, downloads.url(2), downloads.sha256[2]]
    # As converge.sh runs it.
    with subprocess.Popen(
        managed.host.command("timeout", "600", "sh", script, *arguments),
        stderr=subprocess.DEVNULL,
    ) as process:
        assert downloads.hanging.wait(10)
        managed.host.ok("pkill", "-TERM", "-x", "timeout")
        assert process.wait(10) != 0
    downloads.hangs.clear()
    assert managed.trees() == {downloads.name(1)}

    assert managed.host.ok("sh", script, *arguments) == f"{_NIXPKGS}/{downloads.name(2)}\n"
    assert managed.trees() == {downloads.name(1), downloads.name(2)}


def await_line(process: subprocess.Popen[str], beginning: str) -> None:
    """Read what a session prints until a line begins so."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        if line.startswith(beginning):
            return
        seen.append(line)
    pytest.fail(f"no line {beginning!r} in:\n{''.join(seen)}")


def test_tests_name_files_that_the_program_sends() -> None:
    sent = configuration.files(stack.settings_of(), "prod")
    assert set(Change("zero").files(Downloads(sha256={1: ""}))) <= set(sent)
    assert Path(REPO / "nix/host/health.sh").exists()
