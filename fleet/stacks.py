"""Which stacks there are, and what their state knows."""

from __future__ import annotations

import getpass
import os
import re
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

import yaml

from fleet.errors import FleetError

PROJECT = "plex-on-nixos"
FOLDER = Path(__file__).resolve().parent.parent
"""The project's, with Pulumi.yaml."""

# The file to copy from, and the sandbox's: they are the project's own, and nobody's server unless named.
_NOT_BY_ITSELF = {"prod", "sandbox"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


def configuration_file(name: str, folder: Path = FOLDER) -> Path:
    """Where a stack's configuration is."""
    return folder / f"Pulumi.{name}.yaml"


def present(folder: Path = FOLDER) -> list[str]:
    """The stacks that have a Pulumi.NAME.yaml, without the project's own two, in alphabetical order."""
    names = (path.name.removeprefix("Pulumi.")[:-5] for path in folder.glob("Pulumi.*.yaml"))
    return sorted(name for name in names if _NAME.fullmatch(name) and name not in _NOT_BY_ITSELF)


def chosen(named: Sequence[str], folder: Path = FOLDER) -> list[str]:
    """The stacks that are named, each once; or all that are present.

    Raises:
        FleetError: one has no configuration, or there is none at all.
    """
    if not named:
        found = present(folder)
        if not found:
            raise FleetError(
                f"There is no stack in {folder}: no Pulumi.NAME.yaml. `python -m fleet new NAME` makes one."
            )
        return found
    for name in named:
        if not configuration_file(name, folder).exists():
            near = get_close_matches(name, present(folder), n=1)
            hint = f"did you mean {near[0]}?" if near else "`python -m fleet new` makes one."
            raise FleetError(f"There is no stack {name}: no Pulumi.{name}.yaml in {folder}; {hint}")
    return list(dict.fromkeys(named))


def new_name(name: str) -> str:
    """A name that a stack may be given.

    Raises:
        FleetError: it may not.
    """
    if not _NAME.fullmatch(name) or name in _NOT_BY_ITSELF:
        raise FleetError(
            f"{name} cannot be a stack's name here: take letters, digits, hyphens and underscores, and not "
            f"{' or '.join(sorted(_NOT_BY_ITSELF))}, whose files are the project's own."
        )
    return name


def unlock(names: Iterable[str], folder: Path = FOLDER) -> None:
    """Ask for the passphrase of the stacks' secrets, where they have one and the environment does not.

    Raises:
        FleetError: nobody is there to be asked.
    """
    if {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"} & os.environ.keys():
        return
    by_passphrase = [name for name in names if _has_salt(configuration_file(name, folder))]
    if not by_passphrase:
        return
    if not sys.stdin.isatty():
        raise FleetError(
            f"The secrets of {', '.join(by_passphrase)} are encrypted with a passphrase: set "
            "PULUMI_CONFIG_PASSPHRASE, or PULUMI_CONFIG_PASSPHRASE_FILE to a file that holds it."
        )
    os.environ["PULUMI_CONFIG_PASSPHRASE"] = getpass.getpass(
        f"Passphrase of {', '.join(by_passphrase)}: "
    )


def _has_salt(path: Path) -> bool:
    content = yaml.safe_load(path.read_text()) if path.exists() else None
    return isinstance(content, dict) and "encryptionsalt" in content
