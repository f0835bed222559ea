"""Go from Debian's backports, for a computer that has none."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class NoGoError(Exception):
    """There is no Go, and none could be installed; the text says what to do."""


def install_go(directory: Path) -> None:
    """Install Debian's newest Go for this release.

    `directory` takes the package lists: the computer's own apt sources stay as they are.
    Raises `NoGoError`.
    """
    release = platform.freedesktop_os_release()
    codename = release.get("VERSION_CODENAME", "")
    if release.get("ID") != "debian" or os.geteuid() != 0 or not KEYRING.exists():
        raise NoGoError("Go 1.21 or newer is needed: https://go.dev/doc/install")
    sources = directory / "sources.list"
    (directory / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    sources.write_text(
        "".join(
            f"deb [signed-by={KEYRING}] http://deb.debian.org/debian {suite} main\n"
            for suite in (codename, f"{codename}-backports")
        )
    )
    options = [
        f"Dir::Etc::SourceList={sources}",
        "Dir::Etc::SourceParts=/dev/null",
        f"Dir::State::Lists={directory / 'lists'}",
    ]
    apt = ["apt-get", "-qq", *(word for option in options for word in ("-o", option))]
    _apt([*apt, "update"])
    wanted = ["-y", "--no-install-recommends", "-t", f"{codename}-backports", "golang-go"]
    _apt([*apt, "install", *wanted])


def _apt(command: list[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    result = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if result.returncode != 0:
        raise NoGoError(
            f"Go could not be installed from Debian's backports:\n{result.stdout.strip()}"
        )
