"""From nothing to a serving host, step by step, each step only where it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console

from sandbox import daemon, keys, media, preflight, prepare, stack, toolchain, visit
from sandbox.errors import SandboxError
from sandbox.paths import STATE

_UP_SECONDS = 3600
_console = Console(highlight=False)


@contextmanager
def _step(what: str) -> Iterator[None]:
    began = monotonic()
    _console.print(f"[bold]▸ {what}[/bold]")
    yield
    _console.print(f"  [dim]{monotonic() - began:.1f} s[/dim]")


def _say(line: str) -> None:
    _console.print(f"  {line}", markup=False, soft_wrap=True)


def world() -> dict[str, str]:
    """Bring up all that is around a stack, and return the SHA-256 of the bucket's media files.

    Raises:
        SandboxError: a step failed; the next run goes on from there.
    """
    preflight.check()
    STATE.mkdir(exist_ok=True)
    with _step("Debian packages"):
        preflight.install(_say)
    with _step("Pulumi's engine and plugins"):
        toolchain.ensure(_say)
    with _step("The base of the machines, and what they fetch from the internet"):
        prepare.run(_say)
    with _step("The world: Hetzner, Backblaze, GitHub, a resolver"):
        daemon.start(_say)
    with _step("Media files, into the bucket by rclone"):
        sums = media.make()
        media.upload()
        for name in sums:
            _say(name)
    return sums


def run() -> None:
    """Bring the sandbox up with its stack, and show that it works.

    Raises:
        SandboxError: a step failed; the next run goes on from there.
    """
    sums = world()
    with _step("pulumi up"):
        stack.prepare(keys.ADMINISTRATOR, keys.public_key())
        if stack.run(["up", "--yes", "--skip-preview"], seconds=_UP_SECONDS).returncode != 0:
            raise SandboxError("`pulumi up` failed; `make sandbox` goes on from here.")
    with _step("A visit"):
        _visit(sums)
    _next_steps()


def _visit(sums: dict[str, str]) -> None:
    outputs = stack.outputs()
    visit.wait_for_certificate(outputs["url"])
    if not visit.claimed(outputs["url"]):
        _say(f"{outputs['url']} is closed, until Plex has an owner:")
        for line in visit.fetch(outputs["url"]).decode().splitlines():
            _say(f"    {line}")
        _say("claiming it through the tunnel")
        visit.claim(outputs)
    _say(f"{outputs['url']} is open")
    served = visit.media(outputs)
    if served != sums:
        raise SandboxError(f"the host serves {served}, but the bucket has {sums}")
    for name, digest in served.items():
        _say(f"{name}: the same by HTTPS as in the bucket, {digest[:16]}…")


def _next_steps() -> None:
    _console.print("\n[bold]The stack's outputs[/bold]")
    stack.run(["stack", "output"], seconds=300)
    _console.print("\n[bold]Try next[/bold]")
    for line in (
        "./sandbox/pulumi config set plex-on-nixos:timeZone Europe/Berlin && "
        "./sandbox/pulumi preview --diff",
        "./sandbox/pulumi up",
        "make sandbox-ssh",
        "./sandbox/enter curl https://plex.films.sandbox/identity",
        "./sandbox/pulumi destroy",
        "make sandbox-down",
    ):
        _console.print(f"  {line}", markup=False, soft_wrap=True)
