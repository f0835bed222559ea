"""The command plugin built here, against a real SSH server, by the real engine."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from components.payload import payload
from sandbox import toolchain
from tests.runtime.sshd import KeyPair, Sshd
from tests.runtime.stacks import CommandStack, RunFailed

pytestmark = pytest.mark.heavy

CANCELLING = "^C received; cancelling"


def relay(near: socket.socket, far: socket.socket) -> None:
    """Carry what each of the two says to the other, until both have ended."""

    def carry(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while said := source.recv(65536):
                target.sendall(said)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    back = threading.Thread(target=carry, args=(far, near))
    back.start()
    carry(near, far)
    back.join()


def interrupting(stack: CommandStack, go_on: Path, told: str) -> Callable[[str], None]:
    """Press Ctrl-C when the command runs, and once the engine has taken it, tell the command to go on."""

    def seen(line: str) -> None:
        if line.endswith(" running"):
            stack.interrupt()
        elif CANCELLING in line:
            go_on.write_text(told)

    return seen


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


def test_ctrl_c_is_taken_when_the_command_has_ended(
    stack: CommandStack, server: Sshd, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    os.mkfifo(go_on)

    create = f"echo running; cat {go_on}"
    with pytest.raises(RunFailed) as ended:
        stack.up(create=create, seen=interrupting(stack, go_on, "done\n"))
    assert "error: update cancel" in str(ended.value)

    # It was finished, and is known.
    assert stack.up(create=create)["stdout"] == "running\ndone"
    assert server.connections == 1


def test_ctrl_c_lets_a_command_be_repeated_that_its_hook_wants_repeated(
    stack: CommandStack, server: Sshd, tmp_path: Path
) -> None:
    go_on, first = tmp_path / "go-on", tmp_path / "first"
    os.mkfifo(go_on)

    create = f"test ! -e {first} || exit 0; touch {first}; echo running; exit $(cat {go_on})"
    with pytest.raises(RunFailed):
        stack.up(create=create, seen=interrupting(stack, go_on, "75\n"))
    assert server.connections == 2
    stack.up(create=create)
    assert server.connections == 2


def test_a_line_of_64_kib_hangs_the_run_and_ctrl_c_twice_ends_it(
    stack: CommandStack, server: Sshd, tmp_path: Path
) -> None:
    go_on, ended = tmp_path / "go-on", tmp_path / "ended"
    os.mkfifo(go_on)
    os.mkfifo(ended)
    longest = stack.up(create="head -c 65535 /dev/zero | tr '\\0' x")["stdout"]
    assert longest == "x" * 65535

    def seen(line: str) -> None:
        if line.endswith(" running"):
            stack.interrupt()
        elif CANCELLING in line:
            go_on.write_text("\n")
            ended.read_text()
            # The command has ended. The plugin waits for whom it gives the lines to, who has given up.
            assert not stack.ends_within(3)
            stack.interrupt()

    said = "head -c 65537 /dev/zero | tr '\\0' x; echo"
    with pytest.raises(RunFailed) as dropped:
        stack.up(
            create="true", update=f"echo running; cat {go_on}; {said}; echo >{ended}", seen=seen
        )
    assert "^C received; terminating" in str(dropped.value)
    assert [each["type"] for each in stack.pending()] == ["updating"]

    # The next run does it again, and is warned once.
    assert stack.up(create="true", update="echo again")["stdout"] == "again"
    assert "interrupted while updating" in stack.printed
    assert stack.pending() == []
    assert server.connections == 3


def test_a_note_of_a_creation_that_ctrl_c_dropped_stays_until_it_is_taken_out(
    stack: CommandStack,
) -> None:
    def seen(line: str) -> None:
        if line.endswith(" running") or CANCELLING in line:
            stack.interrupt()

    with pytest.raises(RunFailed):
        stack.up(create="echo running; sleep 100", seen=seen)
    stack.up(create="true")
    assert [each["type"] for each in stack.pending()] == ["creating"]
    stack.clear_pending_creates()
    assert stack.pending() == []


def test_a_connection_stays_until_the_end_of_the_run(stack: CommandStack, server: Sshd) -> None:
    open_then = []

    def seen(line: str) -> None:
        if line.endswith(" second"):
            open_then.append(server.open)

    first = server.directory / "first"
    stack.up(create=f"test -e {first} || {{ touch {first}; exit 75; }}; echo second", seen=seen)
    assert set(open_then) == {2}


def test_a_silent_handshake_has_no_limit(stack: CommandStack, server: Sshd, tmp_path: Path) -> None:
    """Nor has the command: what bounds them is TCP, or whoever presses Ctrl-C twice."""
    real = server.port
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server.port = silent.getsockname()[1]

        def speak_late() -> None:
            near, _ = silent.accept()
            time.sleep(3)  # beyond the limits below, which end nothing
            with near, socket.create_connection(("127.0.0.1", real)) as far:
                relay(near, far)

        late = threading.Thread(target=speak_late)
        late.start()
        try:
            said = stack.up(create="echo here", timeout="1s", per_dial_timeout=1)["stdout"]
        finally:
            server.port = real
        late.join()
    assert said == "here"


def test_output_that_is_no_utf_8_fails_a_command_that_succeeded(stack: CommandStack) -> None:
    with pytest.raises(RunFailed) as failed:
        stack.up(create="printf 'caf\\351\\n'")
    assert "string field contains invalid UTF-8" in str(failed.value)


def test_what_our_scripts_print_does_neither(stack: CommandStack, tmp_path: Path) -> None:
    run = "head -c 70000 /dev/zero | tr '\\0' x; printf 'caf\\351\\n' >&2; exit 0\n"
    script = payload({"run.sh": run}, "run.sh", directory=str(tmp_path))
    lines = stack.up(create="bash -s", stdin=script)["stdout"].splitlines()
    assert lines == ["x" * 1000] * 70 + ["caf"]


def test_an_agent_that_is_gone_fails_every_command(stack: CommandStack, server: Sshd) -> None:
    with pytest.raises(RunFailed) as failed:
        stack.up(create="true", agent_socket_path="/nowhere")
    assert "dial unix /nowhere: connect: no such file or directory" in str(failed.value)
    assert server.connections == 0


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
