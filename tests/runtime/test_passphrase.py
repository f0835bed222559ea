"""A stack whose passphrase is changed, by the real engine: the new one opens it, and the old one no more."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox import stack, toolchain

_PROJECT = "name: films\nruntime: python\n"
_PROGRAM = """import pulumi
pulumi.export("password", pulumi.Config().require_secret("password"))
"""


@dataclass
class Project:
    """A project with a state of its own."""

    folder: Path
    passphrase: str

    def pulumi(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        environment = stack.environment(self.folder) | {"PULUMI_CONFIG_PASSPHRASE": self.passphrase}
        return subprocess.run(
            [str(toolchain.locations().pulumi), *words, "--non-interactive"],
            cwd=self.folder,
            env=environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )

    def ok(self, *words: str, given: str = "") -> str:
        done = self.pulumi(*words, given=given)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def written(self) -> bytes:
        """Everything that Pulumi has written, state and configuration."""
        state = (self.folder / "pulumi-state").rglob("*")
        files = [self.folder / "Pulumi.plex.yaml", *(path for path in state if path.is_file())]
        return b"".join(path.read_bytes() for path in files)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    toolchain.ensure(print)
    (tmp_path / "Pulumi.yaml").write_text(_PROJECT)
    (tmp_path / "__main__.py").write_text(_PROGRAM)
    (tmp_path / "pulumi-state").mkdir()
    made = Project(tmp_path, "the old passphrase")
    made.ok("stack", "init", "plex")
    made.ok("config", "set", "--secret", "password", given="correct horse")
    made.ok("up", "--yes", "--skip-preview")
    return made


@pytest.mark.heavy
def test_a_new_passphrase_opens_the_stack_and_the_old_one_does_not(project: Project) -> None:
    new = "the new passphrase"
    project.ok("stack", "change-secrets-provider", "passphrase", given=f"{new}\n{new}\n")
    before = project.written()

    refused = project.pulumi("stack", "output", "password", "--show-secrets")
    assert refused.returncode != 0
    assert "incorrect passphrase" in refused.stderr
    assert "incorrect passphrase" in project.pulumi("config", "get", "password").stderr

    project.passphrase = new
    assert project.ok("stack", "output", "password", "--show-secrets") == "correct horse\n"
    assert project.ok("config", "get", "password") == "correct horse\n"
    assert "1 unchanged" in project.ok("up", "--yes", "--skip-preview")
    for secret in (b"correct horse", b"old passphrase", b"new passphrase"):
        assert secret not in before + project.written()
