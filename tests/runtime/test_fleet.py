"""Several stacks at once, by the real engine: in parallel, with a canary, failing, interrupted, protected."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pexpect
import pytest
from pulumi import automation

from fleet import engine as ours
from fleet.errors import FleetError
from sandbox import toolchain
from sandbox.paths import REPO
from tests.runtime.engine import Engine

PROGRAM = Path(__file__).parent / "several_stacks"
SECONDS = 120


@dataclass
class Project:
    """A project with the package `fleet` in it, and stacks."""

    folder: Path
    engine: Engine
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def stack(self, name: str, **values: object) -> None:
        """Make a stack with such a configuration."""
        lines = [f"  several-stacks:{key}: {json.dumps(value)}" for key, value in values.items()]
        self.engine.run("stack", "init", name)
        with (self.folder / f"Pulumi.{name}.yaml").open("a") as file:
            file.write("\n".join(["config:", *lines, ""]) if lines else "config: {}\n")

    @property
    def environment(self) -> Mapping[str, str]:
        """What the command is run with."""
        places = [str(Path(sys.executable).parent), str(toolchain.locations().bin)]
        return {
            **os.environ,
            "PATH": os.pathsep.join([*places, os.environ["PATH"]]),
            "PULUMI_HOME": str(self.engine.directory / "home"),
            "PULUMI_BACKEND_URL": f"file://{self.engine.backend}",
            "PULUMI_CONFIG_PASSPHRASE": self.engine.passphrase,
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "SSH_AUTH_SOCK": "/nowhere",
        }

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Begin `python -m fleet`."""
        process = subprocess.Popen(
            [sys.executable, "-m", "fleet", *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.running.append(process)
        return process

    def fleet(self, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Run `python -m fleet` to its end."""
        process = self.begin(*words)
        output, errors = process.communicate(typed, timeout=SECONDS)
        return subprocess.CompletedProcess(words, process.returncode, output, errors)

    def results(self, *words: str, typed: str = "") -> tuple[int, dict[str, dict[str, Any]]]:
        """The exit code, and what it says of each stack as JSON."""
        done = self.fleet(*words, "--json", typed=typed)
        assert done.stdout, done.stderr
        return done.returncode, by_stack(done.stdout)

    def resources(self, name: str) -> list[str]:
        """The types of what a stack has."""
        state = json.loads(self.engine.run("stack", "export", "--stack", name))
        return [each["type"] for each in state["deployment"].get("resources", [])]

    def until_began(self, name: str) -> None:
        """Wait until a stack's resource is being made."""
        until((self.folder / f"began-{name}").exists)

    def until_logged(self, name: str, words: str) -> None:
        """Wait until Pulumi has said that of a stack."""
        logs = self.folder / ".fleet"
        until(lambda: any(words in log.read_text() for log in logs.glob(f"*/{name}.log")))


def until(what: Callable[[], bool]) -> None:
    """Wait for that."""
    deadline = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def by_stack(text: str) -> dict[str, dict[str, Any]]:
    return {each["stack"]: each for each in json.loads(text)["stacks"]}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    folder = tmp_path / "project"
    shutil.copytree(PROGRAM, folder)
    shutil.copytree(REPO / "fleet", folder / "fleet")
    made = Project(folder, Engine(tmp_path / "pulumi", folder))
    yield made
    for process in made.running:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_one_that_fails_does_not_stop_the_others(project: Project) -> None:
    project.stack("first")
    project.stack("second", fails=True)
    project.stack("third")

    done = project.fleet("up")

    assert done.returncode == 1
    rows = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert rows["first"].split()[1:3] == ["done", "+2"]
    assert "failed" in rows["second"] and rows["second"].endswith("this one was told to fail")
    assert rows["third"].split()[1] == "done"
    assert "random:index/randomId:RandomId" in project.resources("third")
    # What was shown meanwhile, a line for each change, and no control characters.
    assert any(line.endswith("  first   done (+2)") for line in done.stderr.splitlines()), (
        done.stderr
    )
    assert "\x1b" not in done.stdout + done.stderr
    log = Path(rows["logs:"].split()[1]) / "second.log"
    assert "this one was told to fail" in log.read_text()
    assert log.parent.stat().st_mode & 0o077 == 0


@pytest.mark.heavy
def test_several_run_at_the_same_time_and_no_more_than_allowed(project: Project) -> None:
    for name in ("first", "second", "third"):
        project.stack(name, waits=True)

    process = project.begin("up", "--parallel", "2", "--json")
    project.until_began("first")
    project.until_began("second")
    assert not (project.folder / "began-third").exists()
    (project.folder / "go-on").touch()
    output, _ = process.communicate(timeout=SECONDS)

    assert process.returncode == 0
    assert {name: each["result"] for name, each in by_stack(output).items()} == dict.fromkeys(
        ("first", "second", "third"), "done"
    )


@pytest.mark.heavy
def test_a_canary_that_fails_stops_the_rest_and_one_that_does_not_lets_it_go_on(
    project: Project,
) -> None:
    project.stack("first")
    project.stack("second", fails=True)

    code, results = project.results("up", "--canary", "second")
    assert code == 1
    assert results["second"]["result"] == "failed"
    assert results["first"]["result"] == "not begun"
    assert "canary second" in results["first"]["message"]
    assert project.resources("first") == []

    code, results = project.results("up", "--canary", "first")
    assert code == 1
    assert (results["first"]["result"], results["second"]["result"]) == ("done", "failed")


@pytest.mark.heavy
def test_with_fail_fast_nothing_is_begun_after_a_failure(project: Project) -> None:
    project.stack("first", fails=True)
    project.stack("second")

    code, results = project.results("up", "--fail-fast", "--parallel", "1")

    assert code == 1
    assert results["second"]["result"] == "not begun"
    assert "first failed" in results["second"]["message"]


def session(pid: int) -> int | None:
    """A process's session, if it is still there."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def test_ctrl_c_in_a_terminal_lets_what_runs_finish_and_leaves_no_process(
    project: Project,
) -> None:
    project.stack("first", waits=True)
    project.stack("second")
    command = ["-m", "fleet", "up", "--parallel", "1", "--json"]
    environment = {**project.environment, "TERM": "xterm"}
    with closing(
        pexpect.spawn(
            sys.executable,
            command,
            cwd=str(project.folder),
            env=environment,
            encoding="utf-8",
            timeout=SECONDS,
            dimensions=(40, 200),
        )
    ) as terminal:
        project.until_began("first")
        # The terminal's Ctrl-C reaches none but the command itself, which tells the engine once.
        assert [pid for pid in at_work(project) if session(pid) == terminal.pid] == [terminal.pid]
        terminal.sendintr()
        terminal.expect_exact("ending: ")
        project.until_logged("first", "^C received; cancelling")
        (project.folder / "go-on").touch()
        terminal.expect_exact(pexpect.EOF)
        shown = str(terminal.before)
    results = by_stack(shown[shown.index('{"command"') :])
    assert terminal.exitstatus == 130

    assert results["first"]["result"] == "interrupted"
    assert results["second"]["result"] == "not begun"
    # It was finished, is known, and nobody holds a lock on it.
    assert "random:index/randomId:RandomId" in project.resources("first")
    until(lambda: at_work(project) == [])
    assert project.results("up", "first")[0] == 0


@pytest.mark.heavy
def test_ctrl_c_twice_drops_what_runs_and_leaves_no_process(project: Project) -> None:
    project.stack("first", waits=True)
    process = project.begin("up", "--json")
    project.until_began("first")

    process.send_signal(signal.SIGINT)
    until_said(process, "ending:")
    # Of two at the same moment a process hears one.
    project.until_logged("first", "^C received; cancelling")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=SECONDS)

    assert process.returncode == 130
    assert by_stack(output)["first"]["result"] == "interrupted"
    until(lambda: at_work(project) == [])


@pytest.mark.heavy
def test_what_was_finished_in_spite_of_ctrl_c_is_done(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.stack("first")
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    engine = ours.Engine()
    stack = ours.stack("first", engine, project.folder)

    def interrupt(event: automation.EngineEvent) -> None:
        if event.summary_event is not None:
            engine.interrupt()

    assert stack.up(on_event=interrupt).summary.result == "succeeded"
    with pytest.raises(ours.Interrupted):
        stack.up()


def test_without_pulumi_it_says_so(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.stack("first")
    monkeypatch.setenv("PATH", str(project.folder))

    with pytest.raises(FleetError, match="pulumi cannot be used"):
        ours.Engine()


def test_what_is_wrong_with_a_configuration_is_the_reason(project: Project) -> None:
    project.stack("first", invalid=True)

    code, results = project.results("preview")

    assert code == 1
    assert results["first"]["message"] == "value: it is invalid"


def test_a_wrong_passphrase_is_the_reason(project: Project) -> None:
    project.stack("first")
    project.engine.passphrase = "another"

    code, results = project.results("preview")

    assert code == 1
    assert "incorrect passphrase" in results["first"]["message"]


def test_a_preview_makes_nothing(project: Project) -> None:
    project.stack("first")

    code, results = project.results("preview")

    assert code == 0
    assert results["first"]["changes"] == {"create": 2}
    assert project.resources("first") == []


@pytest.mark.parametrize("command", ["preview", "up"])
def test_what_the_program_says_is_shown_once(command: str, project: Project) -> None:
    project.stack("first", says=True)
    project.stack("second")

    done = project.fleet(command)

    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if "ends soon" in line] == [
        "first: [it] ends soon"
    ]


@pytest.mark.heavy
def test_destroy_takes_the_name_and_two_steps_where_something_is_protected(
    project: Project,
) -> None:
    project.stack("first", protected=True)
    project.stack("second")
    assert project.results("up")[0] == 0

    done = project.fleet("destroy", "second", typed="secnd\n")
    assert done.returncode == 2
    assert project.resources("second")

    code, results = project.results("destroy", typed="first\nsecond\n")
    assert code == 1
    assert results["second"]["result"] == "done"
    assert results["first"]["result"] == "failed"
    assert "pulumi config set protect false --stack first" in results["first"]["message"]
    assert project.resources("second") == []
    assert "random:index/randomId:RandomId" in project.resources("first")


@pytest.mark.heavy
def test_a_stack_that_pulumi_does_not_know_is_said_to_be_missing(project: Project) -> None:
    (project.folder / "Pulumi.first.yaml").write_text("config: {}\n")

    code, results = project.results("up")

    assert code == 1
    assert results["first"]["message"].startswith("Pulumi has no stack first")


@pytest.mark.heavy
def test_what_the_user_has_selected_stays_selected(project: Project) -> None:
    project.stack("first")
    project.stack("second")
    project.engine.run("stack", "select", "first")

    assert project.results("preview", "second")[0] == 0

    assert project.engine.run("stack", "--show-name").strip() == "first"


def until_said(process: subprocess.Popen[str], text: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return
    raise AssertionError(f"{text} was never said")


def at_work(project: Project) -> list[int]:
    """The processes that work in the project's folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (entry / "cwd").readlink().is_relative_to(project.folder):
                found.append(int(entry.name))
    return found
