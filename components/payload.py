"""What travels in a command's stdin: files as readable text, and the script that takes them on the host."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from components.pins import Pin

_HEAD = """\
set -eu
umask 077
payload=
trap 'rm -rf "$payload"' EXIT # if this fails; what it runs in the end has the folder for its own
payload=$(mktemp -d {directory}/.payload.XXXXXX)
"""


def payload(files: Mapping[str, str], run: str, *, directory: str) -> str:
    """A script for bash that unpacks `files` and then runs one of them.

    It is plain text, a file after the other, so that Pulumi's previews show a changed line as a line.
    Where it arrives in part, since a connection was cut, nothing of it is run.
    (Not for every sh: dash loses bytes where a line of a here-document begins as its end does.)

    Args:
        files: contents by relative path.
        run: the path of the script to run; it is given the folder that holds the files.
        directory: where on the host the folder is made.

    Raises:
        ValueError: a file holds the very line that marks its end, or does not end with a newline.
    """
    parts = [_HEAD.format(directory=directory)]
    for folder in sorted({path.rpartition("/")[0] for path in files} - {""}):
        parts.append(f'mkdir -p "$payload/{folder}"\n')
    for path, content in files.items():
        end = f"--- end of {path} ---"
        if not content.endswith("\n"):
            raise ValueError(f"{path} does not end with a newline")
        if end in content.splitlines():
            raise ValueError(f"{path} holds the line {end!r}")
        parts.append(f"\ncat >\"$payload/{path}\" <<'{end}'\n{content}{end}\n")
    parts.append(f'\nexec sh "$payload/{run}" "$payload"\n')
    # A shell runs nothing of what stands in braces before it has read all of it.
    return "".join(("{\n", *parts, "}\n"))


def shell_assignments(values: Mapping[str, str]) -> str:
    """Values by their names, as lines that a shell script reads with `.`."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def installer_file(pin: Pin) -> str:
    """What kexec.sh reads to know what to fetch, as shell assignments."""
    return shell_assignments({"url": pin.url, "sha256": pin.sha256})
