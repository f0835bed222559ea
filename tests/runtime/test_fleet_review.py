"""What a comment on a pull request shows of a preview by the real engine: each changed line, no secret."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.review import files
from sandbox import toolchain
from sandbox.paths import REPO
from tests.runtime.engine import Engine
from tests.runtime.sshd import Sshd

PROGRAM = Path(__file__).parent / "reviewed"
TOKENS = ("of-the-first-kind", "of-the-second-kind")


class Project:
    """A project with `fleet` in it, a stack, and its host."""

    def __init__(self, folder: Path, server: Sshd) -> None:
        self.folder = folder / "project"
        shutil.copytree(PROGRAM, self.folder)
        for package in ("fleet", "components"):
            shutil.copytree(REPO / package, self.folder / package)
        self._environment = {
            "SSHD_PORT": str(server.port),
            "SSHD_USER": server.user,
            "SSHD_KEY": server.client.private,
            "PYTHONPATH": str(self.folder),
        }
        self.engine = Engine(folder / "pulumi", self.folder, self._environment)
        self.engine.run("stack", "init", "it")
        (self.folder / "Pulumi.it.yaml").touch()
        identity = ("-c", "user.name=alice", "-c", "user.email=alice@alice.example")
        for words in (
            ["init", "--quiet", "--initial-branch=main"],
            ["add", "--all"],
            ["commit", "--quiet", "--message=The stack"],
        ):
            subprocess.run(["git", *identity, *words], cwd=self.folder, check=True)

    def set(self, *lines: str, token: str) -> None:
        """Set the stack's configuration."""
        for index, line in enumerate(lines):
            self.engine.run("config", "set", "--path", f"lines[{index}]", line)
        self.engine.run("config", "set", "--secret", "token", token)

    def markdown(self) -> str:
        """What `preview --markdown` prints."""
        tools = toolchain.locations()
        path = os.pathsep.join(
            [str(Path(sys.executable).parent), str(tools.bin), os.environ["PATH"]]
        )
        done = subprocess.run(
            [sys.executable, "-m", "fleet", "preview", "--since", "main", "--markdown"],
            cwd=self.folder,
            env={
                **os.environ,
                **self._environment,
                "PATH": path,
                "PULUMI_HOME": str(self.engine.directory / "home"),
                "PULUMI_BACKEND_URL": f"file://{self.engine.backend}",
                "PULUMI_CONFIG_PASSPHRASE": self.engine.passphrase,
                "PULUMI_SKIP_UPDATE_CHECK": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    toolchain.ensure(print)
    with Sshd(tmp_path / "sshd") as server:
        yield Project(tmp_path, server)


@pytest.mark.heavy
def test_a_changed_line_is_a_line_and_a_secret_is_none(project: Project) -> None:
    project.set("one | ```", "two", token=TOKENS[0])
    first = project.markdown()
    assert "+one | ```" in first.splitlines()
    project.engine.run("up", "--yes", "--skip-preview")
    assert "| it | done | – |" in project.markdown()

    project.set("one | ```", "2", "three", token=TOKENS[1])
    second = project.markdown()

    lines = second.splitlines()
    begin = lines.index("````diff")
    assert lines[begin + 1 : lines.index("````")] == [
        *("--- system.nix", "+++ system.nix", "@@ -1,2 +1,3 @@", " one | ```"),
        *("-two", "+2", "+three"),
        *("--- /dev/null", "+++ new.nix", "@@ -0,0 +1 @@", "+{ }"),
    ]
    assert "| ~ | Command `it-converge` | the configuration below |" in lines
    assert "| ~ | Command `it-secrets` | stdin |" in lines
    assert "| ± | RandomInteger `number` | **replaced**: min: 2 → 3 |" in lines
    assert "`password`" in second
    for secret in (*TOKENS, project.engine.passphrase):
        assert secret not in first + second
    assert "PRIVATE KEY" not in first + second
    # No colours, no folder of the runner's, and short enough for GitHub.
    assert "\x1b" not in second and str(project.folder) not in second


def test_what_is_too_long_is_cut_at_a_line(project: Project) -> None:
    project.set(*(f"{number} {'x' * 30_000}" for number in range(1, 4)), token=TOKENS[0])
    text = project.markdown()

    assert len(text) < 65_536
    assert "The rest does not fit here" in text
    assert f"+1 {'x' * 30_000}" in text.splitlines()
    assert "+3 " not in text


def test_what_the_program_hands_to_a_host_is_read_file_by_file() -> None:
    from components.payload import payload

    given = {"a.nix": "cat >\"$payload/b\" <<'end'\nend\n", "folder/b": "b\n", "empty": "\n"}
    assert files(payload(given, "a.nix", directory="/etc")) == given
    assert files("[secret]") == files(None) == {}
