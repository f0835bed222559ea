"""The command plugin built here, against a real SSH server, by the real engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import toolchain
from tests.runtime.sshd import KeyPair, Sshd
from tests.runtime.stacks import CommandStack, RunFailed

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module", autouse=True)
def _toolchain() -> None:
    toolchain.ensure(print)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    with Sshd(tmp_path / "sshd") as sshd:
        yield sshd


@pytest.fixture
def stack(tmp_path: Path, server: Sshd) -> CommandStack:
    return CommandStack(tmp_path / "pulumi", server)


def test_input_updates_in_place_and_a_trigger_replaces(
    stack: CommandStack, server: Sshd, tmp_path: Path
) -> None:
    log = tmp_path / "log"

    def up(stdin: str, server_id: str) -> dict[str, str]:
        return stack.up(
            create=f"tee -a {log}",
            update=f"echo updated >>{log}; cat",
            delete=f"echo deleted >>{log}",
            stdin=stdin,
            triggers=[server_id],
        )

    first = up("one\n", "1")
    assert first["stdout"] == "one"
    unchanged = up("one\n", "1")
    assert (unchanged, server.connections) == (first, 1)

    updated = up("two\n", "1")
    assert updated == {"id": first["id"], "stdout": "two"}
    replaced = up("two\n", "2")
    assert replaced["id"] != first["id"]
    stack.destroy()

    assert log.read_text().splitlines() == ["one", "updated", "two", "deleted", "deleted"]
    assert server.connections == 5


def test_a_host_with_another_key_is_refused(
    stack: CommandStack, server: Sshd, tmp_path: Path
) -> None:
    with pytest.raises(RunFailed) as refused:
        stack.up(create=f"touch {tmp_path}/ran", host_key=KeyPair.new().public, dial_error_limit=1)
    assert "after 1 failed attempts: ssh: handshake failed: ssh: host key mismatch" in str(
        refused.value
    )
    assert server.connections == 0
    assert not (tmp_path / "ran").exists()


def test_dialling_goes_on_until_the_host_is_up(stack: CommandStack, server: Sshd) -> None:
    server.stop()
    dialled = threading.Event()

    def start_later() -> None:
        assert dialled.wait(300)
        server.start()

    starting = threading.Thread(target=start_later)
    starting.start()
    outputs = stack.up(
        create="echo here",
        dial_error_limit=-1,
        seen=lambda line: dialled.set() if "Dial 1/inf failed: retrying" in line else None,
    )
    starting.join()
    assert outputs["stdout"] == "here"


def test_a_rejected_key_counts_as_a_failed_dial(stack: CommandStack, server: Sshd) -> None:
    server.client = KeyPair.new()
    with pytest.raises(RunFailed) as rejected:
        stack.up(create="true", dial_error_limit=1)
    assert "after 1 failed attempts: ssh: handshake failed: ssh: unable to authenticate" in str(
        rejected.value
    )


def test_custom_timeout_bounds_dialling(stack: CommandStack, server: Sshd) -> None:
    server.stop()
    with pytest.raises(RunFailed) as ended:
        stack.up(create="true", dial_error_limit=-1, timeout="1s")
    assert "context deadline exceeded" in str(ended.value)


def test_custom_timeout_does_not_bound_the_command(stack: CommandStack) -> None:
    assert stack.up(create="sleep 11; echo done", timeout="10s")["stdout"] == "done"


def test_secret_input_is_nowhere_in_the_clear(stack: CommandStack) -> None:
    secret = "a secret that nobody may read"
    with pytest.raises(RunFailed) as failed:
        stack.up(create="wc -c; exit 3", secret_stdin=f"{secret}\n")
    text = " ".join(str(failed.value).split())
    assert 'Process exited with status 3: running "wc -c; exit 3": 30' in text
    assert secret not in str(failed.value)

    assert stack.up(create="wc -c", secret_stdin=f"{secret}\n")["stdout"] == "30"
    assert secret not in stack.printed
    assert secret not in stack.state()
    assert stack.server.client.private.splitlines()[1] not in stack.state()


def test_a_hook_has_75_repeated_over_a_new_connection(
    stack: CommandStack, server: Sshd, tmp_path: Path
) -> None:
    seen, waiting = tmp_path / "seen", tmp_path / "waiting"
    script = f"echo $SSH_CONNECTION >>{seen}; test -e {waiting} || {{ touch {waiting}; exit 75; }}"
    stack.up(create=script)

    assert server.connections == 2
    first, second = seen.read_text().splitlines()
    assert first != second

    with pytest.raises(RunFailed):
        stack.up(create="exit 74")
    assert server.connections == 3


def test_a_dropped_session_is_an_error_of_its_own(stack: CommandStack, server: Sshd) -> None:
    with pytest.raises(RunFailed) as dropped:
        stack.up(
            create="echo running; sleep 100",
            seen=lambda line: server.drop_sessions() if line.endswith(" running") else None,
        )
    assert "wait: remote command exited without exit status or exit signal" in str(dropped.value)
    assert server.connections == 1


def test_ctrl_c_ends_a_command_at_once(stack: CommandStack) -> None:
    interrupted = 0.0

    def seen(line: str) -> None:
        nonlocal interrupted
        if line.endswith(" running"):
            interrupted = time.monotonic()
            stack.interrupt()

    with pytest.raises(RunFailed) as ended:
        stack.up(create="echo running; sleep 100", seen=seen)
    assert "context canceled: running" in str(ended.value)
    assert time.monotonic() - interrupted < 20


def test_previous_output_is_offered_to_the_server_unless_switched_off(stack: CommandStack) -> None:
    stack.up(create="echo one")
    for offered in (False, True):
        stack.up(create=f"echo {offered}", add_previous_output_in_env=offered)
        # This server takes no variables, which the plugin warns of.
        warned = "Unable to set 'PULUMI_COMMAND_STDOUT'" in stack.printed
        assert warned == offered


def test_output_is_shown_unless_logging_is_off(stack: CommandStack) -> None:
    for logging in ("none", "stdoutAndStderr"):
        stack.up(create="echo heard | tr a-z A-Z", logging=logging)
        progress = stack.printed.partition("Resources:")[0].partition("Outputs:")[0]
        assert ("HEARD" in progress) == (logging != "none")


def test_preview_with_an_unknown_value_opens_no_connection(
    stack: CommandStack, server: Sshd
) -> None:
    stack.preview(create="wc -c", random_stdin=32)
    assert "3 to create" in stack.printed
    assert "from $PATH" not in stack.printed
    assert server.connections == 0
    assert stack.up(create="wc -c", random_stdin=32)["stdout"] == "44"
