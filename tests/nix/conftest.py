"""What tests of the miniature nixpkgs ask it with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.nix.evaluation import evaluate
from tests.nix.miniature import BASE, NIXPKGS, Evaluate, Store


@pytest.fixture
def nix(tmp_path: Path) -> Evaluate:
    """The value of an expression, in which `system MODULES` is an evaluated system and `lib` is ours."""

    def value(expression: str) -> Any:
        prelude = f"""
          let
            lib = import <nixpkgs/lib>;
            system = modules: import <nixpkgs/nixos/lib/eval-config.nix> {{
              system = "x86_64-linux";
              modules = [ {{ {BASE} }} ] ++ modules;
            }};
            module = file: contents: {{ _file = file; config = contents; }};
          in
        """
        return evaluate(prelude + expression, tmp_path, {"nixpkgs": NIXPKGS})

    return value


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("nix"))
