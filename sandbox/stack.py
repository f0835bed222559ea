"""The `sandbox` stack: Pulumi with a home, a backend and a configuration of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from sandbox import commands, inside, toolchain
from sandbox.credentials import PASSPHRASE
from sandbox.errors import SandboxError
from sandbox.paths import REPO, STATE

STACK = "sandbox"

_TO_STOP = 60

# The commands of Pulumi's that read or write a stack's configuration file.
_CONFIGURED = {"config", "destroy", "preview", "refresh", "up", "update"}


def environment(state: Path = STATE) -> dict[str, str]:
    """Pulumi's environment, in which nothing of the user's own Pulumi is seen or touched."""
    inherited = {
        key: value
        for key, value in inside.environment(state).items()
        if not key.startswith("PULUMI_") and not key.startswith("HCLOUD_")
    }
    path = os.pathsep.join(
        [
            str(Path(sys.executable).parent),
            str(toolchain.locations().bin),
            inherited.get("PATH", ""),
        ]
    )
    return {
        **inherited,
        "PATH": path,
        "VIRTUAL_ENV": str(Path(sys.executable).parent.parent),
        "PULUMI_HOME": str(state / "pulumi-home"),
        "PULUMI_BACKEND_URL": f"file://{state / 'pulumi-state'}",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }


def arguments(words: list[str], state: Path = STATE) -> list[str]:
    """The command line for Pulumi with `words`, on the sandbox's stack and configuration file.

    Raises:
        SandboxError: another stack is named; the plugins built here must never meet a real one.
    """
    named = [
        later.removeprefix("--stack=") if "=" in word else later
        for word, later in zip(words, [*words[1:], ""], strict=True)
        if word in ("-s", "--stack") or word.startswith("--stack=")
    ]
    if any(name != STACK for name in named):
        raise SandboxError(f"The sandbox has one stack, {STACK}. For any other, run pulumi itself.")
    command = [str(toolchain.locations().pulumi), *words]
    verb = next((word for word in words if not word.startswith("-")), "")
    if verb in _CONFIGURED:
        command += ["--config-file", str(configuration_file(state))]
    return command


def configuration_file(state: Path = STATE) -> Path:
    """The stack's configuration: a copy of Pulumi.sandbox.yaml with what each sandbox has of its own."""
    return state / f"Pulumi.{STACK}.yaml"


def run(
    words: list[str], *, state: Path = STATE, capture: bool = False, seconds: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Pulumi inside the sandbox.

    Args:
        words: Pulumi's.
        state: the sandbox's folder.
        capture: its output is kept, and does not go to the terminal.
        seconds: its limit; none for what somebody does by hand.

    Raises:
        SandboxError: it did not end in time, and was stopped as by Ctrl-C.
    """
    pipe = subprocess.PIPE if capture else None
    with subprocess.Popen(
        inside.command(arguments(words, state), state),
        cwd=REPO,
        env=environment(state),
        stdout=pipe,
        stderr=pipe,
        text=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            process.send_signal(signal.SIGINT)
            _stop(process)
            printed = commands.end_of(error.stdout, error.stderr) if capture else "See above."
            raise SandboxError(
                f"{commands.late(['pulumi', *words], error.timeout)} {printed}"
            ) from None
        except KeyboardInterrupt:
            # Pulumi has met the same Ctrl-C, and first ends what it is at on a host. A second one ends that.
            try:
                process.communicate()
            except KeyboardInterrupt:
                _stop(process)
            raise
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def _stop(process: subprocess.Popen[str]) -> None:
    """Wait for a run that was told to end, in a bounded time.

    It first ends what it is at on a host, unless it is told again. Then it writes its state and gives up its
    lock.
    """
    try:
        process.communicate(timeout=_TO_STOP)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    except KeyboardInterrupt:
        pass  # which it has met, too
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=_TO_STOP)
    process.kill()


def quietly(words: list[str], *, state: Path = STATE) -> str:
    """Run Pulumi, and return what it printed.

    Raises:
        SandboxError: it failed; the message has what it said.
    """
    done = run(words, state=state, capture=True, seconds=300)
    if done.returncode != 0:
        raise SandboxError(f"pulumi {' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def outputs(state: Path = STATE) -> dict[str, Any]:
    """The stack's outputs."""
    found: dict[str, Any] = json.loads(
        quietly(["stack", "output", "--json", "--stack", STACK], state=state)
    )
    return found


def prepare(administrator: str, public_key: str, *, state: Path = STATE) -> None:
    """Make the stack, unless it is there already, with an administrator and their public key."""
    (state / "pulumi-state").mkdir(parents=True, exist_ok=True)
    toolchain.install_plugins(state / "pulumi-home")
    if not configuration_file(state).exists():
        template = (REPO / f"Pulumi.{STACK}.yaml").read_text()
        own = (
            "config:\n"
            f"  plex-on-nixos:pins: {state / 'pins.json'}\n"
            f"  plex-on-nixos:administrators:\n    {administrator}: [{public_key}]\n"
        )
        fresh = configuration_file(state).with_suffix(".new")
        fresh.write_text(template.replace("config:\n", own, 1))
        fresh.rename(configuration_file(state))
    listed = json.loads(quietly(["stack", "ls", "--json"], state=state))
    if STACK not in {each["name"] for each in listed}:
        quietly(["stack", "init", STACK], state=state)
