"""The sandbox's commands: `python -m sandbox --help`. People use `make` and ./sandbox/pulumi."""

from __future__ import annotations

import argparse
import os
import sys

from sandbox.errors import SandboxError


def main() -> int:
    """Run one command; a fault of the computer or of the user is a sentence and status 1."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="bring everything up, and visit the host")
    commands.add_parser("world", help="bring everything up but the stack and its host")
    commands.add_parser("down", help="take everything away")
    for name, what in (
        ("ssh", "log in to the host, or run a command there"),
        ("pulumi", "run Pulumi on the sandbox's stack"),
        ("enter", "run a command inside the sandbox's network"),
    ):
        command = commands.add_parser(name, help=what, add_help=False)
        command.add_argument("words", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    # The folders that become a machine's root are for all of its users, whatever the user's own umask.
    os.umask(0o022)
    try:
        return _run(given.command, getattr(given, "words", []))
    except SandboxError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsandbox: interrupted; `make sandbox` goes on from here", file=sys.stderr)
        return 130


def _run(command: str, words: list[str]) -> int:
    # Imported late: each command needs a part, and `down` must work where another part does not.
    match command:
        case "up":
            from sandbox import up

            up.run()
        case "world":
            from sandbox import up

            up.world()
        case "down":
            from sandbox import down

            down.run()
        case "pulumi":
            from sandbox import stack

            return stack.run(words).returncode
        case "ssh":
            from sandbox import inside, keys, stack

            arguments = keys.ssh_command(stack.outputs(), " ".join(words))
            _become(inside.command(arguments), inside.environment())
        case "enter":
            from sandbox import inside

            if not words:
                raise SandboxError("name a command, as in `./sandbox/enter curl https://…`")
            _become(inside.command(words), inside.environment())
    return 0


def _become(command: list[str], environment: dict[str, str]) -> None:
    os.execvpe(command[0], command, environment)


if __name__ == "__main__":
    sys.exit(main())
