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
# All that is printed while it runs goes through this. Pulumi's command plugin waits for ever at a line of
# 64 KiB, fails where the output is no UTF-8, and keeps no order between the two streams. So they are one;
# control characters and what is no UTF-8 are left out; and a line is folded at 1000 bytes, behind a whole
# character. Where a terminal would begin to write over a line, as programs have it that show their
# progress, a new one begins.
_TAIL = r"""
} 2>&1 | LC_ALL=C sed -u -E '
  s/^\r+|\r+$//g
  s/\r+/\n/g
  s/[\x00-\x08\x0b-\x1f\x7f]//g
  s/(UTF8)|[\x80-\xff]/\1/g
  s/[^\n]{1000}[\x80-\xbf]{0,3}/&\n/g
  s/\n$//
  s/\n\n+/\n/g'
exit "${PIPESTATUS[0]}"
""".replace(
    "UTF8",
    r"[\xc2-\xdf][\x80-\xbf]"
    r"|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]"
    r"|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}",
)


def payload(files: Mapping[str, str], run: str, *, directory: str) -> str:
    """A script for bash that unpacks `files` and then runs one of them.

    It is plain text, a file after the other, so that Pulumi's previews show a changed line as a line.
    Where it arrives in part, since a connection was cut, nothing of it is run.
    (Not for every sh: dash loses bytes where a line of a here-document begins as its end does.)
    What it prints, on either stream, comes out on standard output, in short lines, each as it is printed.

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
    return "".join(("{\n{\n", *parts, _TAIL, "}\n"))


def shell_assignments(values: Mapping[str, str]) -> str:
    """Values by their names, as lines that a shell script reads with `.`."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def installer_file(pin: Pin) -> str:
    """What kexec.sh reads to know what to fetch, as shell assignments."""
    return shell_assignments({"url": pin.url, "sha256": pin.sha256})
