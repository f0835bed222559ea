"""A host's configuration by some nixpkgs: evaluated to the derivation of the whole, with the texts in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.vm import __main__ as vm

_HERE = Path(__file__).parent
ADAPTED_BEFORE = "25.11"
_APPENDED = re.compile(
    r"cat (?P<file>\S*) ?-? ?>\s*\$out <<EOL\n(?P<text>.*?)\n\s*EOL\n", re.DOTALL
)


class NotEvaluatedError(AssertionError):
    """What Nix said."""


@dataclass(frozen=True)
class Unit:
    text: str
    wanted_by: tuple[str, ...]
    required_by: tuple[str, ...]


@dataclass(frozen=True)
class Host:
    """One configuration by one nixpkgs."""

    found: dict[str, Any]
    said: str
    store: Store

    @property
    def system(self) -> str:
        """The derivation of the whole."""
        return str(self.found["system"])

    @property
    def warnings(self) -> list[str]:
        """What modules, options and packages warn of."""
        traced = re.findall(r"^(?:trace|evaluation) ?:?\s*warning: (.*)", self.said, re.MULTILINE)
        return [*self.found["warnings"], *traced]

    @property
    def dropped(self) -> list[str]:
        """The options that an older NixOS does not know."""
        return sorted(set(re.findall(r"^trace: dropped: (.*)", self.said, re.MULTILINE)))

    @cached_property
    def units(self) -> dict[str, Unit]:
        return {
            name: Unit(unit["text"], tuple(unit["wantedBy"]), tuple(unit["requiredBy"]))
            for name, unit in self.found["units"].items()
        }

    @property
    def tables(self) -> dict[str, str]:
        """What is in nftables' tables, by their names. None where the firewall is one of iptables."""
        return dict(self.found["tables"])

    @property
    def files(self) -> dict[str, str]:
        """Texts of files in /etc by their places there."""
        return {
            place: self.store.text(file["path"], file["derivations"])
            for place, file in self.found["files"].items()
        }

    @cached_property
    def nginx(self) -> str:
        """The text of nginx.conf."""
        return self._of_nginx("nginx.conf")

    @cached_property
    def included_by_nginx(self) -> dict[str, str]:
        """Texts that nginx.conf includes, by their paths, where they are no package's."""
        derivations = self.store.references(self._derivation_of_nginx("nginx.conf"))
        outputs = {self.store.output(one): one for one in derivations if one.endswith(".conf.drv")}
        return {path: self.store.text(path, [one]) for path, one in outputs.items()}

    def _of_nginx(self, name: str) -> str:
        derivation = self._derivation_of_nginx(name)
        return self.store.text(self.store.output(derivation), [derivation])

    def _derivation_of_nginx(self, name: str) -> str:
        derivations = self.found["units"]["nginx.service"]["derivations"]
        (found,) = [one for one in derivations if one.endswith(f"-{name}.drv")]
        return str(found)


class Store:
    """A store of its own, in which derivations are written and nothing is built."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "store"
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "NIX_PATH": "",
            "NIX_STORE_DIR": str(self.path),
            "NIX_STATE_DIR": str(folder / "state"),
            "NIX_LOG_DIR": str(folder / "log"),
            "NIX_CONFIG": "sandbox = false\nsubstitute = false\nbuild-users-group =\n",
        }

    def evaluate(self, nixpkgs: Path, configuration: Path) -> Host:
        """A configuration by a nixpkgs, adapted where that is older than what the configuration is for.

        Raises:
            NotEvaluatedError: with Nix's own words.
        """
        done = self._evaluate("asked.nix", nixpkgs, "--arg", "configuration", str(configuration))
        return Host(json.loads(done.stdout), done.stderr, self)

    def vm_test(self, nixpkgs: Path, rendered: Path) -> str:
        """The derivation of the VM test by a nixpkgs, for a folder with a rendered configuration.

        Raises:
            NotEvaluatedError: with Nix's own words.
        """
        arguments = vm.told(rendered)
        return str(json.loads(self._evaluate("vm_asked.nix", nixpkgs, *arguments).stdout))

    def _evaluate(
        self, asked: str, nixpkgs: Path, *arguments: str
    ) -> subprocess.CompletedProcess[str]:
        release = (nixpkgs / ".version").read_text().strip()
        adapt = "true" if release < ADAPTED_BEFORE else "false"
        done = self._run(
            *("nix-instantiate", "--eval", "--strict", "--json", "--read-write-mode"),
            *("--arg", "nixpkgs", str(nixpkgs), "--arg", "adapt", adapt, *arguments),
            str(_HERE / asked),
        )
        if done.returncode:
            raise NotEvaluatedError(done.stderr)
        return done

    def text(self, path: str, derivations: list[str]) -> str:
        """The text at a path that would be built by one of the derivations, read out of its recipe."""
        if Path(path).is_file():
            return Path(path).read_text()
        (derivation,) = [one for one in derivations if path.startswith(self.output(one))]
        if text := self._binding(derivation, "text"):
            return text
        # sshd_config: a file, and what is appended to it.
        recipe = _APPENDED.search(self._binding(derivation, "buildCommand"))
        if recipe is None:
            raise NotEvaluatedError(f"{derivation}: not known how its text is made")
        first = recipe["file"] and self.text(recipe["file"], self.references(derivation))
        return f"{first}\n{recipe['text']}"

    def output(self, derivation: str) -> str:
        """The path that a derivation would be built at."""
        return self._ask("--outputs", derivation).split()[0]

    def references(self, derivation: str) -> list[str]:
        """What a derivation is made of."""
        return [
            one for one in self._ask("--references", derivation).split() if one.endswith(".drv")
        ]

    def _binding(self, derivation: str, name: str) -> str:
        done = self._run("nix-store", "--query", "--binding", name, derivation)
        return done.stdout.removesuffix("\n") if done.returncode == 0 else ""

    def _ask(self, what: str, derivation: str) -> str:
        done = self._run("nix-store", "--query", what, derivation)
        if done.returncode:
            raise NotEvaluatedError(done.stderr)
        return done.stdout

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self._environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
