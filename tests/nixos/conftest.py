"""What is held against a real nixpkgs: every variant of the configuration, by it and by the miniature."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.nix.miniature import NIXPKGS
from tests.nix.test_rendered import VARIANTS, write
from tests.nixos import given
from tests.nixos.evaluated import ADAPTED_BEFORE, Host, Store

Evaluate = Callable[[str], Host]

_DROPPED = pytest.StashKey[dict[str, set[str]]]()


@pytest.fixture(scope="session")
def nixpkgs() -> Path:
    """The real one. Without, the test is skipped."""
    if missing := given.what_is_missing():
        pytest.skip(missing)
    found = given.nixpkgs()
    assert found is not None
    assert (found / "nixos/default.nix").exists(), f"{found} is no nixpkgs"
    return found


@pytest.fixture(scope="session")
def older(nixpkgs: Path) -> bool:
    """Whether it is older than what the configuration is for, which is then adapted."""
    return (nixpkgs / ".version").read_text().strip() < ADAPTED_BEFORE


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The rendered configuration of a variant."""

    @cache
    def written(name: str) -> Path:
        folder = tmp_path_factory.mktemp("rendered")
        write(folder, VARIANTS[name])
        return folder / "configuration.nix"

    return written


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("nixos"))


@pytest.fixture(scope="session")
def real(
    nixpkgs: Path, store: Store, rendered: Callable[[str], Path], request: pytest.FixtureRequest
) -> Evaluate:
    """A variant's host by the real nixpkgs."""
    dropped = request.config.stash.setdefault(_DROPPED, {})

    @cache
    def evaluated(name: str) -> Host:
        host = store.evaluate(nixpkgs, rendered(name))
        for option in host.dropped:
            dropped.setdefault(option, set()).add(name)
        return host

    return evaluated


@pytest.fixture(scope="session")
def miniature(store: Store, rendered: Callable[[str], Path]) -> Evaluate:
    """A variant's host by the miniature."""
    return cache(lambda name: store.evaluate(NIXPKGS, rendered(name)))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    dropped = config.stash.get(_DROPPED, {})
    if dropped:
        terminalreporter.section("options that this nixpkgs does not know, and that were dropped")
        for option, names in sorted(dropped.items()):
            terminalreporter.line(f"{option} ({', '.join(sorted(names))})")
