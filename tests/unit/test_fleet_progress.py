"""What a stack is at, told by the engine's events; and what is said of a run in short."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi.automation import EngineEvent

from fleet.progress import Progress, counted, reason, words

CONVERGE = "urn:pulumi:one::plex-on-nixos::command:remote:Command::one-converge"


def after(*events: dict[str, Any]) -> Progress:
    """The progress after events, in the form in which the engine sends them."""
    progress = Progress()
    for number, event in enumerate(events):
        progress.take(EngineEvent.from_json({"sequence": number, "timestamp": 0, **event}))
    return progress


def step(
    op: str, urn: str = CONVERGE, kind: str = "command:remote:Command", *, planning: bool = False
) -> dict[str, Any]:
    return {
        "metadata": {"op": op, "urn": urn, "type": kind, "provider": ""},
        "planning": planning,
    }


def said(text: str, severity: str = "info", urn: str = CONVERGE) -> dict[str, Any]:
    return {"diagnosticEvent": {"message": text, "color": "raw", "severity": severity, "urn": urn}}


def test_the_last_word_of_the_hosts_scripts_is_what_a_stack_is_at() -> None:
    begun = {"resourcePreEvent": step("update")}

    assert after({"preludeEvent": {"config": {}}}).phase == "comparing"
    assert after(begun).phase == "updating one-converge"
    heard = after(
        begun, said("<{%reset%}>converge: host\nconverge: build\n/nix/store/x<{%reset%}>\n")
    )
    assert heard.phase == "converge: build"
    assert after(begun, said("converge: x", urn="urn:x::y")).phase == "updating one-converge"
    assert after(begun, said("Dial 1/inf failed: retrying")).phase == "updating one-converge"


def test_what_has_ended_gives_way_to_what_is_still_done() -> None:
    server = step("create", "urn:x::one", "hcloud:index/server:Server")
    address = step("create", "urn:x::two", "hcloud:index/primaryIp:PrimaryIp")
    begun = [{"resourcePreEvent": step("update")}, {"resourcePreEvent": server}]

    assert after(*begun).phase == "creating at Hetzner"
    assert after(*begun, {"resOutputsEvent": server}).phase == "updating one-converge"
    assert after(*begun, {"resourcePreEvent": address}, {"resOutputsEvent": address}).phase == (
        "creating at Hetzner"
    )


def test_what_only_would_be_done_is_not_said_to_be_done() -> None:
    assert after({"resourcePreEvent": step("create", planning=True)}).phase == "starting"


@pytest.mark.parametrize("kind", ["pulumi:pulumi:Stack", "random:index/randomId:RandomId"])
def test_what_takes_no_time_is_no_phase(kind: str) -> None:
    assert after({"resourcePreEvent": step("create", "urn:x::it", kind)}).phase == "starting"


def test_changes_are_counted_as_they_come_and_by_the_summary_in_the_end() -> None:
    events = [
        {"resOutputsEvent": step("same")},
        {"resOutputsEvent": step("create")},
        {"resOutputsEvent": step("update")},
    ]
    summary = {
        "summaryEvent": {
            "maybeCorrupt": False,
            "durationSeconds": 1,
            "resourceChanges": {"create": 2, "same": 5, "replace": 1},
            "PolicyPacks": {},
        }
    }

    assert counted(after(*events).changes) == "+1 ~1"
    assert counted(after(*events, summary).changes) == "+2 ±1"
    assert counted({"same": 5}) == "–"


@pytest.mark.parametrize(
    ("errors", "printed", "why"),
    [
        (["update failed", "it did\nfailed: health"], "", "failed: health"),
        ([], " code: 255\n stdout: \n stderr: error: no passphrase", "no passphrase"),
        ([], "error: first\nerror: second", "second"),
        (["update failed"], "something", "something"),
        ([], "", "no reason was given"),
    ],
)
def test_the_reason_is_one_line(errors: list[str], printed: str, why: str) -> None:
    assert reason(errors, printed) == why


def test_errors_are_kept_in_their_order() -> None:
    assert after(said("<{%fg 1%}>one", "error"), said("two", "error")).errors == ["one", "two"]


@pytest.mark.parametrize(
    ("event", "heard"),
    [
        (said("<{%reset%}>it ends soon\n", urn=""), "it ends soon"),
        (said("it has ended", "warning", urn=""), "it has ended"),
        (said("registering resource", "debug", urn=""), ""),
        (said("a traceback", "info#err", urn=""), ""),
        (said("converge: build"), ""),
        ({"preludeEvent": {"config": {}}}, ""),
    ],
)
def test_what_the_program_says_of_no_resource_is_for_whoever_runs_it(
    event: dict[str, Any], heard: str
) -> None:
    assert words(EngineEvent.from_json({"sequence": 0, "timestamp": 0, **event})) == heard
