"""Whether a server type can be had is asked right before it matters, and at no other time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pulumi
import pytest
from hcloud import APIException, Client
from hcloud.server_types import BoundServerType
from requests import ConnectionError as NoConnection

from components import catalogue, hetzner
from components.catalogue import unfit
from components.settings import Settings
from tests import program, stack
from tests.program import Run
from tests.stack import TOKEN

NOW = datetime(2026, 11, 1, tzinfo=UTC)
_CLIENT = Client(token="none")


def kind(
    name: str,
    *,
    disk: int = 40,
    memory: float = 4,
    architecture: str = "x86",
    locations: tuple[str, ...] = ("fsn1", "nbg1"),
    ends: str | None = None,
    available: bool = True,
) -> BoundServerType:
    """A server type as the API has it."""
    deprecation = ends and {"announced": "2025-01-01T00:00:00Z", "unavailable_after": ends}
    return BoundServerType(
        _CLIENT.server_types,
        {
            "id": 1,
            "name": name,
            "architecture": architecture,
            "disk": disk,
            "memory": memory,
            "locations": [
                {
                    "id": 1,
                    "name": place,
                    "deprecation": deprecation,
                    "available": available,
                    "recommended": available,
                }
                for place in locations
            ],
        },
    )


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (kind("cx99"), "there is no such type"),
        (kind("cx23", locations=("ash",)), "it does not exist in this location"),
        (kind("cx23", locations=()), "it does not exist in this location"),
        (kind("cx23", ends="2026-10-31T00:00:00Z"), "it can no longer be ordered"),
        (kind("cx23", available=False), "it is sold out there at present"),
        (kind("cx23", disk=39), "its disk of 39 GB is smaller than 40 GB"),
        (kind("cx23", memory=2), "its memory of 2 GB is less than 3 GB"),
        (
            kind("cx23", architecture="arm"),
            "Hetzner says its architecture is arm, but by its name it is x86_64",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_type_that_does_not_do_says_why_and_which_would(
    found: BoundServerType, fault: str
) -> None:
    types = [found, kind("cpx42", disk=320, memory=16), kind("cpx22", disk=80)]

    said = unfit(types, stack.settings_of(), NOW)

    assert said is not None
    assert said.startswith(f"cx23 in fsn1: {fault}")
    assert "What would do there: " in said
    assert said.index("cpx22") < said.index("cpx42"), "the smallest first"


@pytest.mark.parametrize(
    "found",
    [
        kind("cx23"),
        kind("cx23", memory=3.0),
        kind("cx23", ends="2026-11-02T00:00:00Z"),
    ],
)
def test_a_type_that_does(found: BoundServerType) -> None:
    assert unfit([found], stack.settings_of(), NOW) is None


def test_the_cache_has_to_fit_beside_the_system() -> None:
    assert unfit([kind("cx23", disk=40)], stack.settings_of(cacheGigabytes=23), NOW) is None

    said = unfit(
        [kind("cx23", disk=40), kind("cpx22", disk=80)], stack.settings_of(cacheGigabytes=24), NOW
    )

    assert said is not None
    assert "its disk of 40 GB cannot hold cacheGigabytes = 24" in said
    assert said.endswith("What would do there: cpx22")


def test_what_would_do_has_the_same_architecture() -> None:
    types = [kind("cax11", architecture="arm", memory=8), kind("cpx22", disk=80)]

    said = unfit([*types, kind("cx23", disk=39)], stack.settings_of(), NOW)
    assert said is not None
    assert said.endswith("What would do there: cpx22")

    said = unfit([*types, kind("cax21", disk=39, architecture="arm")], arm("cax21"), NOW)
    assert said is not None
    assert said.endswith("What would do there: cax11")


def test_a_name_of_arm_without_arm_is_refused() -> None:
    said = unfit([kind("cax11")], arm("cax11"), NOW)

    assert said is not None
    assert "Hetzner says its architecture is x86, but by its name it is aarch64" in said


def test_where_nothing_would_do_it_says_so() -> None:
    said = unfit([], stack.settings_of(), NOW)

    assert said is not None
    assert said.endswith("What would do there: none")


def arm(kind: str) -> Settings:
    return stack.settings_of(serverType=kind)


class Api:
    """Stands in for the API's client, and counts."""

    def __init__(self, types: list[BoundServerType] | Exception) -> None:
        self.types = types
        self.requests: list[tuple[str, str]] = []
        self.server_types = self

    def __call__(self, *, token: str, api_endpoint: str, timeout: int) -> Api:
        assert timeout <= 60
        self.requests.append((token, api_endpoint))
        return self

    def get_all(self) -> list[BoundServerType]:
        if isinstance(self.types, Exception):
            raise self.types
        return self.types


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    found = Api([kind("cx23"), kind("cpx22", disk=80)])
    monkeypatch.setattr("components.hetzner.Client", found)
    return found


Action = Callable[[pulumi.ResourceHookBinding], object]


def during(action: Action, config: dict[str, str] | None = None, **overrides: object) -> Run:
    """A program that makes the hooks and has them called."""

    def main() -> None:
        action(catalogue.hooks(stack.settings_of(**overrides)))

    return program.run(config or stack.config(), program=main)


def create(hooks: pulumi.ResourceHookBinding) -> None:
    for hook in hooks.before_create or []:
        hook(_args(None))


def update_from(before: str) -> Action:
    def update(hooks: pulumi.ResourceHookBinding) -> None:
        for hook in hooks.before_update or []:
            hook(_args({"serverType": before}))

    return update


def _args(old_inputs: dict[str, object] | None) -> pulumi.ResourceHookArgs:
    return pulumi.ResourceHookArgs(
        urn="", id="", name="prod", type="", old_inputs=old_inputs, new_inputs={}
    )


def warnings_of(run: Run) -> list[str]:
    return [message for severity, message in run.log if severity == "WARNING"]


def test_the_hooks_run_in_previews_too() -> None:
    run = during(lambda _: None)

    assert run.resource_hooks
    for hook in run.resource_hooks.values():
        assert hook.opts is not None
        assert hook.opts.on_dry_run


def test_nothing_is_asked_until_the_server_is_made_or_changed(api: Api) -> None:
    program.run(stack.config())

    assert api.requests == []


def test_making_the_server_asks_with_the_stacks_own_token(api: Api) -> None:
    run = during(create)

    assert api.requests == [(TOKEN, "https://api.hetzner.cloud/v1")]
    assert warnings_of(run) == []


def test_it_asks_where_the_provider_asks(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    config = stack.config() | {"hcloud:endpoint": "http://127.0.0.1:8000/v1"}
    del config["hcloud:token"]
    monkeypatch.setenv("HCLOUD_TOKEN", "from-the-environment")

    during(create, config)

    assert api.requests == [("from-the-environment", "http://127.0.0.1:8000/v1")]


def test_a_type_that_does_not_do_stops_the_run(api: Api) -> None:
    with pytest.raises(
        catalogue.ServerTypeError, match="serverType: cx99 in fsn1: there is no such"
    ):
        during(create, serverType="cx99")


def test_a_change_of_type_asks_and_warns_of_the_power_off(api: Api) -> None:
    run = during(update_from("cx23"), serverType="cpx22")

    assert len(api.requests) == 1
    (warning,) = warnings_of(run)
    assert "from cx23 to cpx22" in warning
    assert "power off" in warning


def test_arm_is_allowed_with_a_warning_that_says_why(api: Api) -> None:
    api.types = [kind("cax11", architecture="arm")]

    run = during(create, serverType="cax11")

    (warning,) = warnings_of(run)
    assert "cax11 is an Arm server (aarch64), and this project has not been tried on one" in warning
    assert "kexec" in warning


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("cx23", "cax11", "from cx23 (x86_64) to cax11 (aarch64)"),
        ("cax11", "cx23", "from cax11 (aarch64) to cx23 (x86_64)"),
    ],
)
def test_a_server_keeps_its_architecture(before: str, after: str, words: str, api: Api) -> None:
    with pytest.raises(catalogue.ServerTypeError) as caught:
        during(update_from(before), serverType=after)

    (line,) = str(caught.value).splitlines()
    assert words in line
    assert api.requests == [], "before anything is asked or sent"


def test_a_change_of_something_else_asks_nothing(api: Api) -> None:
    run = during(update_from("cx23"), serverType="cx23")

    assert api.requests == []
    assert warnings_of(run) == []


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            NoConnection("refused"),
            r"serverType: .* does not answer at https://api\.hetzner\.cloud/v1",
        ),
        (
            APIException("unauthorized", "unable to authenticate", None),
            "hcloud:token: .* refused it",
        ),
        (
            APIException("server_error", "something is broken", None),
            "serverType: cannot be looked up: .* answered: something is broken",
        ),
    ],
)
def test_an_api_that_does_not_answer_is_one_sentence(
    api: Api, error: Exception, sentence: str
) -> None:
    api.types = error

    with pytest.raises(hetzner.HetznerError, match=sentence) as caught:
        during(create)
    assert TOKEN not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
