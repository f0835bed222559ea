"""Which stacks a commit concerns, asked of a real repository."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from fleet import __main__ as command
from fleet import stacks
from fleet.touched import touched

FILES = (
    "Pulumi.yaml",
    "Pulumi.prod.yaml",
    "Pulumi.alice.yaml",
    "Pulumi.bob.yaml",
    "nix/plex.nix",
    "docs/Pulumi.alice.yaml",
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    for name in FILES:
        write(tmp_path, name, "config: {}\n")
    commit(tmp_path)
    git(tmp_path, "switch", "--quiet", "--create", "branch")
    return tmp_path


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=alice", "-c", "user.email=alice@alice.example")
    done = subprocess.run(
        ["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=A change")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (["Pulumi.alice.yaml"], ["alice"]),
        (["Pulumi.alice.yaml", "Pulumi.bob.yaml"], ["alice", "bob"]),
        (["Pulumi.carol.yaml"], ["carol"]),
        (["Pulumi.prod.yaml"], []),
        (["Pulumi.yaml"], ["alice", "bob"]),
        (["Pulumi.alice.yaml", "nix/plex.nix"], ["alice", "bob"]),
        (["docs/Pulumi.alice.yaml"], ["alice", "bob"]),
        ([], []),
    ],
)
def test_a_stacks_own_file_concerns_it_alone_and_any_other_all(
    project: Path, changed: list[str], expected: list[str]
) -> None:
    for name in changed:
        write(project, name, "config: {a: b}\n")
    commit(project) if changed else None
    assert touched("main", project) == expected


def test_what_is_not_committed_counts(project: Path) -> None:
    write(project, "Pulumi.bob.yaml", "config: {a: b}\n")
    assert touched("main", project) == ["bob"]


def test_what_others_have_changed_on_the_base_does_not_count(project: Path) -> None:
    write(project, "Pulumi.bob.yaml", "config: {a: b}\n")
    commit(project)
    git(project, "switch", "--quiet", "main")
    write(project, "nix/plex.nix", "{ }\n")
    commit(project)
    git(project, "switch", "--quiet", "branch")
    assert touched("main", project) == ["bob"]


def test_a_stack_whose_file_is_gone_or_moved_is_no_stack(project: Path) -> None:
    git(project, "mv", "Pulumi.alice.yaml", "Pulumi.carol.yaml")
    git(project, "rm", "--quiet", "Pulumi.bob.yaml")
    commit(project)
    assert touched("main", project) == ["carol"]


def test_a_file_that_has_become_a_stacks_was_another_before(project: Path) -> None:
    git(project, "mv", "nix/plex.nix", "Pulumi.carol.yaml")
    commit(project)
    assert touched("main", project) == ["alice", "bob", "carol"]


@pytest.mark.parametrize("base", ["", "0" * 40, "no-such-branch"])
def test_all_are_concerned_where_the_base_is_unknown(project: Path, base: str) -> None:
    assert touched(base, project) == ["alice", "bob"]


def test_the_command_prints_json_without_the_one_that_is_left_out(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stacks.chosen, "__defaults__", (project,))
    monkeypatch.setattr(touched, "__defaults__", (project,))

    assert command.main(["touched", "--without", "bob"]) == 0
    assert json.loads(capsys.readouterr().out) == ["alice"]
    assert command.main(["preview", "--since", "main"]) == 0
    assert capsys.readouterr().out == "No stack is touched.\n"
