"""The VM test (tests/vm/nixos.nix) is for a real nixpkgs. It is not run: that takes KVM and packages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.nixos.evaluated import Store


def test_it_is_evaluated_to_its_derivation(
    nixpkgs: Path, store: Store, rendered: Callable[[str], Path]
) -> None:
    # Its machines' whole systems are in it: names, types, merging, assertions.
    assert store.vm_test(nixpkgs, rendered("defaults").parent).endswith(".drv")
