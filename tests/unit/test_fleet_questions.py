"""Questions to a script, which gives a line for each, and to a person, who is asked again."""

from __future__ import annotations

import io

import pytest

from fleet.errors import FleetError
from fleet.questions import Questions


def small(text: str) -> int:
    number = int(text)
    if number > 9:
        raise ValueError("too large")
    return number


def script(monkeypatch: pytest.MonkeyPatch, *lines: str) -> Questions:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
    return Questions()


def test_an_empty_answer_is_the_default_and_an_answer_is_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = script(monkeypatch, "", " 7 ")

    assert questions.ask("count: how many", small, default="3") == 3
    assert questions.ask("count: how many", small, default="3") == 7
    assert capsys.readouterr().out == "count: how many [3]: \n" * 2


def test_a_scripts_wrong_answer_ends_it_with_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FleetError, match=r"^count: too large$"):
        script(monkeypatch, "10", "1").ask("count: how many", small)


def test_a_script_that_is_too_short_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FleetError, match="come to an end"):
        script(monkeypatch).ask("count: how many", small, default="1")


def test_a_secret_that_is_there_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = script(monkeypatch, "").ask("key: the key", str, default="geheim", secret=True)

    assert kept == "geheim"
    assert "geheim" not in capsys.readouterr().out


def test_a_person_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = script(monkeypatch)
    answers = iter(["10", "x", "9"])
    monkeypatch.setattr(questions, "_person", True)
    monkeypatch.setattr("builtins.input", lambda _prompt: next(answers))

    assert questions.ask("count: how many", small) == 9
    assert "  too large\n" in capsys.readouterr().out
