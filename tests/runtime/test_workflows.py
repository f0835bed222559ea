"""The workflows for GitHub are well-formed, and run commands that are there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.__main__ import parser
from sandbox import toolchain
from tests.stack import REPO

SETUP = REPO / ".github/actions/setup/action.yml"
WORKFLOWS = sorted((REPO / ".github/workflows").glob("*.yml"))
each = pytest.mark.parametrize("path", WORKFLOWS, ids=[path.name for path in WORKFLOWS])


def actionlint(*paths: Path) -> str:
    """What actionlint, and shellcheck for it, find wrong."""
    toolchain.ensure(print)
    # That of requirements-dev.txt. Where actionlint finds none, it says nothing of scripts.
    shellcheck = Path(sys.executable).with_name("shellcheck")
    options = ["-no-color", "-oneline", "-shellcheck", str(shellcheck)]
    done = subprocess.run(
        [toolchain.locations().actionlint, *options, *paths],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text())["jobs"]
    return found


def steps(path: Path) -> list[dict[str, Any]]:
    """The steps of its own jobs, and those of the actions in this repository that they use."""
    content = yaml.safe_load(path.read_text())
    jobs = [content["runs"]] if "runs" in content else content["jobs"].values()
    found = [step for job in jobs for step in job.get("steps", ())]
    for step in list(found):
        if str(step.get("uses")).startswith("./"):
            found += steps(REPO / step["uses"] / "action.yml")
    return found


def runs(path: Path) -> str:
    return "\n".join(step["run"] for step in steps(path) if "run" in step)


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
    used = [name for name in used if not name.startswith("./")]

    assert used
    assert [name for name in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", name)] == []


@each
def test_what_it_runs_is_there(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(), re.MULTILINE))
    made = re.findall(r"^make ([a-z-]+)", runs(path), re.MULTILINE)
    asked = re.findall(r"python -m fleet ((?:[^>|)\n])+)", runs(path))
    called = [job["uses"] for job in jobs(path).values() if "uses" in job]

    assert made or asked or called
    assert set(made) <= targets
    for words in asked:
        # What a variable stands for: a number does everywhere.
        parser().parse_args([re.sub(r"\$\w+", "1", word) for word in shlex.split(words)])
    for name in called:
        assert (REPO / name).is_file()


@each
def test_a_secret_is_given_only_to_steps_that_run_our_own_commands(path: Path) -> None:
    for step in steps(path):
        if "secrets." in str(step) or "github.token" in str(step):
            assert "python -m fleet" in step["run"]
            # By the environment, and never pasted into a script.
            assert "${{" not in step["run"]
    for job in jobs(path).values():
        assert "secrets." not in str(job.get("env"))


@each
def test_no_checkout_leaves_its_token_behind(path: Path) -> None:
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@each
def test_nothing_of_a_strangers_runs_with_secrets(path: Path) -> None:
    content = yaml.safe_load(path.read_text())

    assert "pull_request_target" not in content[True]
    if "pull_request" in content[True] and "secrets." in path.read_text():
        own = "github.event.pull_request.head.repo.full_name == github.repository"
        assert all(own in job["if"] for job in content["jobs"].values())


def test_where_nothing_is_set_up_nothing_runs() -> None:
    for name in ("preview", "deploy", "status"):
        path = REPO / f".github/workflows/{name}.yml"
        first, *others = jobs(path).values()
        assert "vars.PULUMI_BACKEND_URL != ''" in first["if"]
        assert all("needs" in job for job in others)


def test_a_stack_is_deployed_by_one_job_at_a_time_which_is_never_broken_off() -> None:
    (job,) = jobs(REPO / ".github/workflows/deploy-stack.yml").values()

    assert job["concurrency"] == {"group": "stack-${{ inputs.stack }}", "cancel-in-progress": False}
    assert job["environment"] == "${{ inputs.stack }}"


def test_pulumi_is_as_new_as_its_python_package() -> None:
    (step,) = [step for step in steps(SETUP) if "pulumi/actions@" in step.get("uses", "")]

    here = step["with"]["pulumi-version"]
    (package,) = re.findall(r"^pulumi==(.+)$", (REPO / "requirements.in").read_text(), re.MULTILINE)
    assert tuple(map(int, here.split("."))) >= tuple(map(int, package.split(".")))


def test_what_starts_nixos_yml_is_there() -> None:
    # YAML takes the word `on` for true.
    events = yaml.safe_load((REPO / ".github/workflows/nixos.yml").read_text())[True]
    patterns = events["push"]["paths"]

    assert events["pull_request"]["paths"] == patterns
    assert [pattern for pattern in patterns if not list(REPO.glob(pattern))] == []
