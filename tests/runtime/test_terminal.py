"""Whoever follows a guide in a terminal does not wait for a question that no longer comes."""

from __future__ import annotations

import os
from contextlib import closing

import pytest

from tests.e2e.installation.terminal import Answer, NotAskedError, Terminal


def test_a_command_that_ends_without_its_question_fails_at_once() -> None:
    shell = ["bash", "--norc", "--noprofile", "--noediting"]
    with closing(Terminal(shell, os.environ)) as terminal:
        asked = terminal.run("read -p 'Name? '", [Answer("Name?", "alice\n")], seconds=60)
        assert asked == ("Name? alice", 0)

        with pytest.raises(NotAskedError, match="no stack"):
            terminal.run("echo no stack; false", [Answer("Name?", "alice\n")], seconds=600)
