"""The program with its state in a bucket: moved there, locked, and after a run that was killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import toolchain
from tests.runtime import bucket, cloud_stack
from tests.runtime.bucket import Bucket
from tests.runtime.cloud_stack import NAME, CloudStack
from tests.runtime.hetzner_server import TOKEN

STATE = f".pulumi/stacks/plex-on-nixos/{NAME}.json"


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Bucket]:
    toolchain.ensure(print)
    with bucket.serving(tmp_path / "bucket") as found:
        yield found


@pytest.fixture
def stack(tmp_path: Path, s3: Bucket) -> Iterator[CloudStack]:
    with cloud_stack.running(tmp_path / "stack", environment=s3.environment) as stack:
        yield stack


def kill_while_the_server_is_ordered(stack: CloudStack) -> None:
    """Begin an `up`, and kill it while Hetzner has not answered yet."""
    with stack.never_answered(stack.engine.kill):
        # One at a time, so that nothing else is cut off.
        stack.failed_up("--parallel", "1")


def test_a_stack_lives_in_a_bucket(stack: CloudStack, s3: Bucket) -> None:
    stack.up()

    assert "unchanged" in stack.up() and "created" not in stack.engine.printed
    assert STATE in s3.files()
    assert any(name.startswith(f".pulumi/history/plex-on-nixos/{NAME}/") for name in s3.files())
    assert not any(name.startswith(".pulumi/locks/") for name in s3.files())
    text = "".join(path.read_text() for path in s3.folder.rglob("*.json"))
    assert TOKEN not in text and "PRIVATE KEY" not in text
    assert list(stack.engine.backend.iterdir()) == []


@pytest.mark.heavy
def test_it_moves_from_a_folder_by_the_commands_of_the_guide(tmp_path: Path, s3: Bucket) -> None:
    with cloud_stack.running(tmp_path / "stack") as stack:
        stack.up()
        before = {name: each["id"] for name, each in stack.resources().items()}
        saved = tmp_path / "plex.json"
        stack.engine.run("stack", "export", "--stack", NAME, "--file", str(saved))
        assert TOKEN not in saved.read_text() and "PRIVATE KEY" not in saved.read_text()

        stack.engine.environment = {**stack.engine.environment, **s3.environment}
        own = ("--stack", NAME)
        stack.engine.run("stack", "init", NAME)
        stack.engine.run("stack", "import", *own, "--file", str(saved))

        assert "unchanged" in stack.up() and "created" not in stack.engine.printed
        assert {name: each["id"] for name, each in stack.resources().items()} == before
        assert STATE in s3.files()
        assert [each["id"] for each in stack.all("servers")] == [int(before[f"Server {NAME}"])]


@pytest.mark.heavy
def test_a_run_that_was_killed_leaves_a_lock_and_the_next_goes_on_where_it_was(
    stack: CloudStack, s3: Bucket
) -> None:
    kill_while_the_server_is_ordered(stack)
    assert any(name.startswith(".pulumi/locks/") for name in s3.files())

    locked = stack.failed_up()
    assert "the stack is currently locked by 1 lock(s)" in locked
    assert "pulumi cancel" in locked
    assert stack.all("servers") == []
    # What is only looked at is not locked.
    stack.preview()
    assert stack.engine.run("stack", "output", "--stack", NAME)

    stack.engine.run("cancel", "--yes", "--stack", NAME)
    assert not any(name.startswith(".pulumi/locks/") for name in s3.files())
    again = stack.up()
    assert "with 1 pending operations" in again
    (server,) = stack.all("servers")
    assert int(stack.resources()[f"Server {NAME}"]["id"]) == server["id"]

    stack.command("pulumi refresh --clear-pending-creates")
    assert "pending operations" not in stack.up()
    assert len(stack.all("servers")) == 1


def test_a_key_that_opens_nothing_is_said_so(stack: CloudStack) -> None:
    stack.engine.environment = {**stack.engine.environment, "AWS_SECRET_ACCESS_KEY": "wrong" * 6}

    assert "StatusCode: 403" in stack.failed_up()
    assert stack.all("servers") == []
