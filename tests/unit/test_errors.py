"""Which failures of a command on the host are answered by running it again, and what is said."""

from __future__ import annotations

import pulumi
import pytest

from components import errors
from components.errors import decide
from tests import program, stack

WAITS = 'Process exited with status 75: running "bash -s":\nconverge: waiting: healthy'
FAILED = 'Process exited with status 1: running "bash -s":\nconverge: failed: build'
DROPPED = 'wait: remote command exited without exit status or exit signal: running "bash -s":\n'
RESET = (
    'read tcp 192.0.2.1:1->203.0.113.11:22: read: connection reset by peer: running "bash -s":\n'
)
UNREACHED = "context deadline exceeded"


def test_a_host_that_waits_is_answered() -> None:
    assert decide([WAITS])
    # It has lost its power since, with or without a session that this has cut.
    assert decide([WAITS, WAITS])
    assert decide([WAITS, DROPPED, WAITS])
    assert not decide([WAITS, WAITS, WAITS, WAITS])


def test_after_its_answer_nothing_but_a_drop_is_repeated() -> None:
    assert not decide([FAILED, WAITS])
    assert decide([DROPPED, WAITS])


@pytest.mark.parametrize("drop", [DROPPED, RESET, "EOF", "write: broken pipe"])
def test_a_session_that_drops_is_taken_up_again_three_times(drop: str) -> None:
    assert [decide([drop] * count) for count in (1, 2, 3, 4, 5)] == [True, True, True, False, False]


def test_a_host_that_waits_after_drops_is_still_answered() -> None:
    assert decide([WAITS, DROPPED, DROPPED, DROPPED])


@pytest.mark.parametrize(
    "failed",
    [
        FAILED,
        UNREACHED,
        "ssh: handshake failed: ssh: host key mismatch",
        "after 10 failed attempts: ssh: unable to authenticate",
        "",
    ],
)
def test_anything_else_has_failed(failed: str) -> None:
    assert not decide([failed])
    assert not decide([failed, DROPPED])


@pytest.mark.parametrize(
    "said",
    [
        "Process exited with status 75",
        "remote command exited without exit status or exit signal",
        "curl: (56) Recv failure: connection reset by peer",
        "write error: broken pipe",
        "unexpected EOF",
    ],
)
def test_what_the_command_itself_printed_does_not_count(said: str) -> None:
    assert not decide([f'Process exited with status 1: running "bash -s":\n{said}\n'])
    # Nor towards the count of those that do.
    assert decide([WAITS, f"{DROPPED}{said}\n"])


def ask(
    messages: list[str], command: str = "converge", **overrides: object
) -> tuple[bool, list[str]]:
    """What the hook of a command answers to these failures, and what it says as an error."""
    answers: list[bool] = []

    def main() -> None:
        settings = stack.settings_of(sshNetworks=["198.51.100.0/24", "2001:db8::/32"], **overrides)
        hook = errors.hook(f"prod-{command}", settings, minutes=5)
        args = pulumi.ErrorHookArgs(
            urn="",
            id="",
            name=f"prod-{command}",
            type="",
            new_inputs={"create": "bash -s", "triggers": ["42"]},
            failed_operation="create",
            errors=messages,
        )
        answer = hook(args)
        assert isinstance(answer, bool)
        answers.append(answer)

    run = program.run({}, program=main)
    return answers[0], [message for severity, message in run.log if severity == "ERROR"]


def test_a_host_that_was_never_reached_is_explained() -> None:
    again, (said,) = ask([UNREACHED])

    assert not again
    assert said.startswith("prod-converge: no SSH connection within 5 minutes.")
    assert "deploy key" in said
    assert "host key" in said
    assert "sshNetworks: 198.51.100.0/24, 2001:db8::/32" in said


def test_an_installer_that_was_never_reached_has_a_way_back() -> None:
    again, (reached, lost) = ask([UNREACHED], "install", protect=True)

    assert not again
    assert "no SSH connection" in reached
    assert "may have lost its power while its disk was being written" in lost
    assert lost.splitlines()[1:] == [
        "    hcloud server disable-protection 42 delete rebuild",
        "    hcloud server rebuild --image ubuntu-24.04 42",
        "    hcloud server enable-protection 42 delete rebuild",
        "    pulumi up",
    ]


def test_a_server_that_is_not_protected_needs_no_such_commands() -> None:
    _, (_, lost) = ask([UNREACHED], "install", protect=False)

    assert "protection" not in lost


def test_other_failures_are_not_explained_as_that() -> None:
    assert ask([WAITS]) == (True, [])
    assert ask([f"{FAILED}\ncontext deadline exceeded\n"]) == (False, [])
