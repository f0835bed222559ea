"""What two hosts, by two nixpkgs, differ in: a line for each thing that one has and the other has not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import crossplane  # type: ignore[import-untyped]

from tests.nixos.evaluated import Host

# Each has a reason why it does not matter: NixOS's has more, less or another, and nothing here hangs on it.
DO_NOT_MATTER = re.compile(
    "|".join(
        [
            # What programs find their locales and their time zones by. Debian's find them by themselves.
            r".*: \[Service\] Environment=(LOCALE_ARCHIVE|TZDIR)=",
            # Changes are seen in other things: files are named after what is in them.
            r".*: \[Unit\] X-(Restart|Reload)-Triggers=",
            r".*: \[Unit\] Documentation=",
            # Debian's sshd separates privileges in a folder of its own.
            r"sshd.service: \[Service\] RuntimeDirectory",
            # Debian's guest agent keeps its state elsewhere, and a machine of the sandbox is a container.
            r"qemu-guest-agent.service: ",
            # … and has no partition that could grow.
            r"growpart.service: ",
            # NixOS keeps a list of what it has to delete; the miniature deletes what is in the rules.
            r"nftables.service: \[Service\] (Exec\w+|StateDirectory)=",
            r"sshd_config: subsystem sftp ",
            # Types and parameters for what is not served here: files, FastCGI, uWSGI.
            r"nginx.conf: http > include @(mailcap|mime.types|nginx/conf)",
        ]
    )
)

_STORE = re.compile(r"/[^\s:='\"]*/[a-z0-9]{32}-")
# A version with what follows it, and what Debian's programs have in its place.
_VERSION = re.compile(
    r"(?<=[a-z0-9])-(debian|[0-9][0-9.]*[a-z]?[0-9]*(-?p[0-9]+)?(-bin)?)(?=[/\s;'\":]|$)"
)
# A package's name, and what it is called among the packages; a package, and where the system has it; and what
# rclone is told as soon as it knows it.
_SAME = {
    "@fuse3/": "@fuse/",
    "/run/current-system/systemd/": "@systemd/",
    " --vfs-handle-caching 0s": "",
}


def of_lines(what: str, real: Iterable[str], miniature: Iterable[str]) -> str:
    """What one has and the other has not, but for what does not matter."""
    ours, theirs = Counter(miniature), Counter(real)
    found = [f"{what}: {line} (NixOS alone)" for line in (theirs - ours).elements()]
    found += [f"{what}: {line} (miniature alone)" for line in (ours - theirs).elements()]
    return "\n".join(sorted(line for line in found if not DO_NOT_MATTER.match(line)))


def plain(text: str) -> str:
    """A text in which neither the store's hashes nor packages' versions stand."""
    text = _VERSION.sub("", _STORE.sub("@", text))
    for one, other in _SAME.items():
        text = text.replace(one, other)
    return text


def unit(host: Host, name: str) -> Iterator[str]:
    """A unit's settings, each with its section; what stands after one another there stays so."""
    section = ""
    found = host.units[name]
    for line in plain(found.text).splitlines():
        if line.startswith("["):
            section = line
        elif line.strip() and section != "[Install]":  # NixOS says a part of it in the text too
            yield from _settings(section, line.strip())
    yield from (f"[Install] WantedBy={target}" for target in found.wanted_by)
    yield from (f"[Install] RequiredBy={target}" for target in found.required_by)


def _settings(section: str, line: str) -> Iterator[str]:
    """One line of a unit as what it says, whatever its spelling."""
    key, _, value = line.partition("=")
    if section == "[Unit]" and key in {
        "After",
        "Before",
        "Requires",
        "Wants",
        "PartOf",
        "Conflicts",
    }:
        yield from (f"{section} {key}={one}" for one in value.split())
    elif key == "Environment" and value.startswith('"PATH='):
        folders = value.strip('"').removeprefix("PATH=").split(":")
        yield from (f"{section} PATH has {folder}" for folder in folders)
    elif key == "Environment":
        yield f"{section} {key}={value.strip(chr(34))}"
    else:
        value = re.sub(r'"(--[\w=-]+)"', r"\1", value)  # quoted where nothing is to be quoted
        # A unit's own script is a file here, a file in a folder there.
        value = re.sub(r"(@unit-script-[\w.@-]+)/bin/\S+", r"\1", value).strip()
        yield f"{section} {key}={value}"


def nginx(text: str, folder: Path) -> list[str]:
    """Each directive of an nginx.conf behind the blocks that it stands in."""
    (folder / "nginx.conf").write_text(text)
    parsed: dict[str, Any] = crossplane.parse(
        str(folder / "nginx.conf"), single=True, check_ctx=False, check_args=False
    )
    assert parsed["status"] == "ok", parsed["errors"]
    return list(_directives(parsed["config"][0]["parsed"], ""))


def _directives(block: list[dict[str, Any]], above: str) -> Iterator[str]:
    for directive in block:
        words = plain(" ".join([directive["directive"], *directive["args"]]))
        if directive["directive"] == "server":
            words = _site(directive["block"])
        yield f"{above}{words}"
        yield from _directives(directive.get("block", []), f"{above}{words} > ")


def _site(block: list[dict[str, Any]]) -> str:
    """What tells one server block from another."""
    said = [(one["directive"], one["args"]) for one in block]
    names = [name for directive, told in said if directive == "server_name" for name in told]
    secure = any(directive == "listen" and "ssl" in told for directive, told in said)
    return f"server {' '.join(names)} {'with' if secure else 'without'} TLS"


def rules(text: str) -> list[str]:
    """The rules of a firewall, without comments and in one spelling."""
    lines = (re.sub(r'comment "[^"]*"', "", line.partition("#")[0]) for line in text.splitlines())
    spelt = (re.sub(r"\s*:\s+", " : ", re.sub(r"\s+", " ", line)).strip() for line in lines)
    return [line for line in spelt if line]
