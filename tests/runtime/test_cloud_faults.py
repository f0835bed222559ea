"""An API that is broken, silent, busy or slow: a run gets through or says why, and the next one goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.runtime import cloud_stack
from tests.runtime.cloud_stack import CloudStack, RunFailed


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudStack]:
    with cloud_stack.running(tmp_path_factory.mktemp("faults")) as stack:
        yield stack


def test_a_broken_api_is_one_sentence_and_nothing_is_made_blindly(stack: CloudStack) -> None:
    stack.api.faults.order(method="GET", path="/ssh_keys", do="error", code="server_error")

    said = stack.failed_up()

    assert "sandbox: what exists already cannot be looked up: Hetzner's API answered: " in said
    assert "Traceback" not in said
    assert stack.all("ssh_keys") == []


def test_an_order_that_is_refused_is_left_to_the_next_run(stack: CloudStack) -> None:
    stack.api.faults.order(method="POST", path="/servers", do="error", code="server_error")

    assert "(server_error, " in stack.failed_up()
    assert stack.all("servers") == []


def test_the_second_ctrl_c_ends_a_request_that_is_never_answered(stack: CloudStack) -> None:
    def second(line: str) -> None:
        if line.startswith("^C received; cancelling"):
            stack.engine.interrupt()

    with (
        stack.never_answered(stack.engine.interrupt),
        pytest.raises(RunFailed, match="Server sandbox creating \\(interrupted\\)"),
    ):
        # One at a time, so that nothing else is cut off.
        stack.up("--parallel", "1", seen=second)


def test_busy_and_slow_answers_are_waited_for_and_the_rest_is_made(stack: CloudStack) -> None:
    stack.api.faults.order(method="POST", path="/servers", do="error", code="rate_limit_exceeded")
    stack.api.faults.order(method="GET", path="/servers", do="slow", seconds=1)

    said = stack.up()

    assert "1 pending operations from previous deployment" in said
    (server,) = stack.all("servers")
    assert server["protection"] == {"delete": True, "rebuild": True}
    assert server["backup_window"]
