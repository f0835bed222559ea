"""What the one who runs the tests has set for programs of their own changes no result."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.runtime import inner

_SET = {
    "AWS_PROFILE": "mine",
    "FORCE_COLOR": "1",
    "GIT_DIR": "/nowhere",
    "HCLOUD_TOKEN": "mine",
    "PULUMI_STACK": "mine",
    "RCLONE_CONFIG": "/nowhere",
    "SSH_AUTH_SOCK": "/nowhere",
}
# `make test-nixos` finds by it what to hold against.
_KEPT = {"NIX_PATH": "nixpkgs=/mine"}
_TESTS = f"""
import os

def test_it():
    assert not {set(_SET)} & set(os.environ)
    assert {_KEPT}.items() <= os.environ.items()
    assert os.umask(0) == 0o022
"""


@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), id="one process"),
        pytest.param(("-n1",), id="several", marks=pytest.mark.heavy),
    ],
)
def test_it_is_not_there_in_a_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    for name, value in (_SET | _KEPT).items():
        monkeypatch.setenv(name, value)
    ours = os.umask(0o077)
    try:
        status, printed = inner.run(tmp_path / "inner", _TESTS, *options)
    finally:
        os.umask(ours)

    assert status == 0, printed
