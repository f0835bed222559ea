"""A command of the sandbox's that does not end is stopped, and said to have been, with its last words."""

from __future__ import annotations

import asyncio
import sys

import pytest

from sandbox import commands
from sandbox.errors import SandboxError
from sandbox.machine.run import CommandError, run
from sandbox.world import process

_HANGS = ("sh", "-c", "echo asks for something; exec sleep 1000")
_CHILD = ("sh", "-c", "sleep 1000 & wait")
_DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(); signal.pause()"
_SAID = r"^`sh -c .* did not end within 3 seconds, and was stopped\. "


def test_a_command_that_does_not_end_is_a_sentence() -> None:
    with pytest.raises(SandboxError, match=_SAID + r"The end of .*:\nasks for something$"):
        commands.run(_HANGS, seconds=3)


def test_so_it_is_around_a_machine() -> None:
    with pytest.raises(CommandError, match=_SAID + r"The end of .*:\nasks for something$"):
        asyncio.run(run(*_HANGS, seconds=3))


def test_what_it_has_started_ends_with_it() -> None:
    with pytest.raises(CommandError, match=_SAID + "It printed nothing"):
        asyncio.run(run(*_CHILD, seconds=3))


def test_a_program_of_the_world_that_does_not_listen_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "_PATIENCE", 1.0)

    async def ended() -> int | None:
        deaf = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _DEAF, stdout=asyncio.subprocess.PIPE
        )
        assert deaf.stdout is not None
        await deaf.stdout.readline()
        await process.end(deaf)
        assert await deaf.stdout.read() == b""
        return deaf.returncode

    assert asyncio.run(ended()) == -9
