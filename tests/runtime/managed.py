"""A host that `pulumi up` looks after, in small: a nixpkgs of one derivation, sessions, what became of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from uuid import uuid4

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from components import configuration
from components.payload import payload
from sandbox.nixpkgs.tarball import NEXT_RELEASE, RELEASE
from tests import stack
from tests.runtime.lone_host import Host

UNIT = "nixos-rebuild-switch-to-configuration"
PORT = 8081
NIXPKGS = "/var/lib/nixpkgs"
# What is called 3 has the lowest number within its release, and is the newest.
_VERSIONS = {1: f"{RELEASE}.9", 2: f"{RELEASE}.10", 3: f"{NEXT_RELEASE}.2"}
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
    inherit (asked) build activate kernel bus;
    nixpkgs = NUMBER;
    args = [
      (builtins.toFile "builder.sh" ''
        set -eu
        mkdir -p $out/bin
        echo $called >$out/name
        echo $nixpkgs >$out/nixpkgs
        echo $kernel >$out/kernel
        echo "{ \\"dbus\\": \\"$bus\\" }" >$out/switch-inhibitors
        eval "$build"
        cat >$out/bin/switch-to-configuration <<END
        #!/bin/sh
        set -eu
        echo "\\$1 $called" >>/run/switched
        case \\$1 in
          test) ln -sfn $out /run/current-system; $activate ;;
          boot)
            ln -sfn $out /boot-default
            mkdir -p /boot/grub
            {
              echo 'menuentry "NixOS - Default" {' && echo "  linux /kernel init=$out/init quiet" && echo '}'
              echo 'submenu "NixOS - All configurations" {'
              for link in \\$(ls -rv /nix/var/nix/profiles | grep '^system-'); do
                echo "menuentry \\"\\$link\\" {"
                echo "  linux /kernel init=\\$(readlink -f /nix/var/nix/profiles/\\$link)/init quiet"
                echo '}'
              done
              echo '}'
            } >/boot/grub/grub.cfg
            ;;
        esac
        END
        chmod +x $out/bin/switch-to-configuration
      '')
    ];
  };
}
"""
# As sshd starts it.
_SESSION = ("env", "SSH_CONNECTION=203.0.113.9 50000 203.0.113.11 22", "bash", "-s")
_HEALTH = """
[ "$1" != library ] || exit 0
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
    kernel: int = 6
    bus: str = "broker"  # of which NixOS says that it cannot be changed while it runs
    stack: str = "prod"
    seconds: int = 60
    nixpkgs: int = 1
    sha256: str | None = None
    support_ends: str = "2100-12-31"

    def files(self, downloads: Downloads) -> dict[str, str]:
        values = {
            "STACK": self.stack,
            "DOMAIN": "plex.films.sandbox",
            "BUCKET": "films-and-music",
            "RELEASE": downloads.release(self.nixpkgs),
            "SUPPORT_ENDS": self.support_ends,
            "NIXPKGS_URL": downloads.url(self.nixpkgs),
            "NIXPKGS_SHA256": self.sha256 or downloads.sha256[self.nixpkgs],
            "ACKNOWLEDGE_SECONDS": str(self.seconds),
        }
        # Nothing that the scripts are told has another name in the program.
        told = configuration.parameters(stack.settings_of(), "prod")
        assert {line.split("=")[0] for line in told.splitlines()} == set(values)
        sent = configuration.files(stack.settings_of(), "prod")
        return {
            "parameters": "".join(f"{key}='{value}'\n" for key, value in values.items()),
            "configuration.nix": (
                f'{{ name = "{self.name}"; build = "{self.build}"; activate = "{self.activate}";'
                f' kernel = {self.kernel}; bus = "{self.bus}"; }}\n'
            ),
            **{path: text for path, text in sent.items() if path.startswith("host/")},
            "host/health.sh": _HEALTH,
        }


@dataclass
class Downloads:
    """releases.nixos.org with nixpkgs of two releases, and a way to let a download hang."""

    tarballs: dict[int, bytes] = field(default_factory=dict)
    sha256: dict[int, str] = field(default_factory=dict)
    hangs: threading.Event = field(default_factory=threading.Event)
    hanging: threading.Event = field(default_factory=threading.Event)

    @staticmethod
    def release(number: int) -> str:
        return _VERSIONS[number].rpartition(".")[0]

    @staticmethod
    def name(number: int) -> str:
        return f"nixos-{_VERSIONS[number]}.abcdef{number:06}"

    def url(self, number: int) -> str:
        path = f"nixos/{self.release(number)}/{self.name(number)}/nixexprs.tar.xz"
        return f"http://127.0.0.1:{PORT}/{path}"

    def make(self, on: Host, number: int) -> None:
        folder = f"/srv/{self.name(number)}"
        on.write(f"{folder}/nixos/default.nix", _SYSTEM.replace("NUMBER", str(number)))
        on.ok("tar", "-cJf", f"{folder}.tar.xz", "-C", "/srv", self.name(number))
        self.tarballs[number] = (on.root / f"{folder[1:]}.tar.xz").read_bytes()
        self.sha256[number] = on.ok("nix-hash", "--type", "sha256", "--sri", folder).strip()

    def app(self) -> Starlette:
        async def tarball(request: Request) -> Response:
            names = {self.name(number): content for number, content in self.tarballs.items()}
            content = names[request.path_params["name"]]
            if not self.hangs.is_set():
                return Response(content)

            async def half() -> AsyncIterator[bytes]:
                yield content[: len(content) // 2]
                self.hanging.set()
                while self.hangs.is_set():
                    await anyio.sleep(0.05)

            length = {"content-length": str(len(content))}
            return StreamingResponse(half(), headers=length)

        path = "/nixos/{release}/{name}/nixexprs.tar.xz"
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
        done = self.host.run(*_SESSION, stdin=self._stdin(change))
        return Session(done.returncode, done.stdout + done.stderr)

    @contextmanager
    def begun(self, change: Change) -> Iterator[subprocess.Popen[str]]:
        """A connection that goes on; it is cut at the end."""
        with subprocess.Popen(
            self.host.command(*_SESSION),
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
        return {path.name for path in (self.host.root / NIXPKGS[1:]).iterdir()} - {"current"}

    def ended(self) -> None:
        """Wait until the supervisor has ended."""
        deadline = time.monotonic() + 60
        # It takes a moment to be buried, too.
        over = {"inactive", "failed"}
        while self.host.run("systemctl", "is-active", UNIT).stdout.strip() not in over:
            assert time.monotonic() < deadline, "the supervisor is still at it"
            threading.Event().wait(0.05)

    def status(self) -> dict[str, object]:
        """What the host's status file says."""
        found: dict[str, object] = json.loads(self.read("/var/lib/converge/status.json"))
        return found

    def boots_once(self) -> str | None:
        """The name of the system that GRUB boots once, by its own environment and its menu."""
        listed = self.host.run("grub-editenv", "/boot/grub/grubenv", "list").stdout
        if not (entry := listed.strip().removeprefix("next_entry=")):
            return None
        (above, below) = entry.split(">")
        assert above == "1"  # the submenu is what follows the default
        systems = [
            line for line in self.read("/boot/grub/grub.cfg").splitlines() if "init=" in line
        ]
        return self.name_of(systems[1:][int(below)].split("init=")[1].split("/init")[0])

    def boot(self, system: str) -> None:
        """What a boot of that system finds and does before its units start, as far as this is concerned.

        Args:
            system: a path, or a link to one.
        """
        script = f"""
        set -eu
        rm -rf /run/converge
        ln -sfn "$(readlink -f {system})" /run/booted-system
        ln -sfn "$(readlink -f {system})" /run/current-system
        sh /etc/nixos/host/recover.sh
        """
        self.host.ok("sh", "-c", script)
        self.ended()

    def all_is(self, name: str) -> None:
        assert self.state == dict.fromkeys(("running", "profile", "boots", "configured"), name)


def slow_change() -> Change:
    """Its build goes on until /run/go is there. None is built twice, so each is another."""
    return Change("one", build=f"while [ ! -e /run/go ]; do sleep 0.1; done; : {uuid4()}")


def install(lone: Host, downloads: Downloads, number: int) -> None:
    """The host as its installation leaves it."""
    script = f"""
    set -eu
    rm -rf /etc/nixos /etc/nixos.* /run/converge /run/switched {NIXPKGS} /nix/var/nix/profiles/system* \\
      /var/lib/converge /nix/var/nix/gcroots/converge
    mkdir -p /etc/nixos {NIXPKGS} /var/lib/host
    echo prod >/var/lib/host/stack
    cp -r /srv/{downloads.name(number)} {NIXPKGS}/
    ln -s {downloads.name(number)} {NIXPKGS}/current
    """
    lone.ok("sh", "-c", script)
    for path, text in Change("zero").files(downloads).items():
        lone.write(f"/etc/nixos/{path}", text)
    lone.write("/etc/nixos/host.nix", "{ }\n")
    script = f"""
    set -eu
    built=$(nix-build '<nixpkgs/nixos>' -A system --no-out-link \\
      -I nixpkgs={NIXPKGS}/current -I nixos-config=/etc/nixos/configuration.nix)
    nix-env --quiet --profile /nix/var/nix/profiles/system --set "$built"
    ln -sfn "$built" /run/current-system
    ln -sfn "$built" /run/booted-system
    "$built/bin/switch-to-configuration" boot
    rm -f /run/switched /boot/grub/grubenv
    """
    lone.ok("sh", "-c", script)


def await_line(process: subprocess.Popen[str], beginning: str) -> None:
    """Read what a session prints until a line begins so."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        if line.startswith(beginning):
            return
        seen.append(line)
    pytest.fail(f"no line {beginning!r} in:\n{''.join(seen)}")
