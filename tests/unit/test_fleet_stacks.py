"""Which stacks a command is about, and which passphrase opens them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from fleet import stacks
from fleet.errors import FleetError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").touch()
    for name in ("prod", "sandbox", "second", "first"):
        (tmp_path / f"Pulumi.{name}.yaml").write_text("config: {}\n")
    return tmp_path


def test_all_stacks_are_those_with_a_file_without_the_projects_own(folder: Path) -> None:
    assert stacks.chosen([], folder) == ["first", "second"]


def test_those_that_are_named_are_taken_once_and_the_projects_own_too(folder: Path) -> None:
    assert stacks.chosen(["second", "sandbox", "second"], folder) == ["second", "sandbox"]


def test_one_that_is_not_there_is_refused_with_the_nearest(folder: Path) -> None:
    with pytest.raises(FleetError, match=r"no stack frist.*did you mean first\?"):
        stacks.chosen(["frist"], folder)


def test_an_empty_folder_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="fleet new NAME"):
        stacks.chosen([], tmp_path)


@pytest.mark.parametrize("name", ["", "-x", "a/b", "a.b", "prod", "sandbox", "x" * 101])
def test_names_that_a_stack_cannot_have(name: str) -> None:
    with pytest.raises(FleetError):
        stacks.new_name(name)


def test_a_passphrase_is_needed_only_where_one_was_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    (folder / "Pulumi.second.yaml").write_text("encryptionsalt: v1:x\n")

    stacks.unlock(["first", "unwritten"], folder)
    with pytest.raises(FleetError, match="secrets of second are"):
        stacks.unlock(["first", "second"], folder)
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "")
    stacks.unlock(["first", "second"], folder)
