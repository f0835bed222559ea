"""The workflows for GitHub are well-formed, and run commands that are there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox import toolchain
from tests.stack import REPO

WORKFLOWS = sorted((REPO / ".github/workflows").glob("*.yml"))
each = pytest.mark.parametrize("path", WORKFLOWS, ids=[path.name for path in WORKFLOWS])


def actionlint(*paths: Path) -> str:
    """What actionlint, and shellcheck for it, find wrong."""
    toolchain.ensure(print)
    done = subprocess.run(
        [toolchain.locations().actionlint, "-no-color", "-oneline", *paths],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


def steps(path: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(path.read_text())["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


@each
def test_actionlint_finds_nothing(path: Path) -> None:
    assert actionlint(path) == ""


def test_actionlint_finds_what_is_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    text = (REPO / ".github/workflows/nixos.yml").read_text()
    wrong.write_text(text.replace("timeout-minutes", "timeout", 1).replace("make test-vm", "$(ls"))

    found = actionlint(wrong)
    assert 'unexpected key "timeout"' in found
    assert "shellcheck reported issue" in found


@each
def test_it_may_read_and_nothing_else_unless_a_job_says_so(path: Path) -> None:
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}


@each
def test_actions_are_pinned_to_a_commit(path: Path) -> None:
    used = [step["uses"] for step in steps(path) if "uses" in step]

    assert any(name.startswith("actions/checkout@") for name in used)
    assert [name for name in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", name)] == []


@each
def test_what_it_runs_is_there(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(), re.MULTILINE))
    made = re.findall(r"^ *(?:- run: )?make ([a-z-]+)", path.read_text(), re.MULTILINE)

    assert made
    assert set(made) <= targets


def test_what_starts_nixos_yml_is_there() -> None:
    # YAML takes the word `on` for true.
    events = yaml.safe_load((REPO / ".github/workflows/nixos.yml").read_text())[True]
    patterns = events["push"]["paths"]

    assert events["pull_request"]["paths"] == patterns
    assert [pattern for pattern in patterns if not list(REPO.glob(pattern))] == []
