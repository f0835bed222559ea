"""Word of what has gone wrong: notify.service as the configuration has it, and whoever is told of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from components import configuration
from tests import stack
from tests.runtime.lone_host import Host, host

_PORT = 8090
_PLEX = 32400
_TOPIC = "aTopicThatNobodyGuesses"
_CONF = "/var/lib/secrets/notify.conf"
_DOMAIN = stack.settings_of().domain
_SERVES = ("sshd", "nginx", "plex-gate", "media", "plex")
_RUNS = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"
_FAILS = "[Service]\nType=oneshot\nExecStart=/bin/false\n"


class Receiver:
    """Who is told."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.app = Starlette(routes=[Route(f"/{_TOPIC}", self._hear, methods=["POST"])])

    async def _hear(self, request: Request) -> Response:
        self.heard.append((await request.body()).decode())
        return Response()

    def since(self) -> list[str]:
        """What was heard since this was asked last."""
        heard, self.heard = self.heard, []
        return heard


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with host(tmp_path_factory.mktemp("notify")) as running:
        text = 'config.systemd.units."notify.service".text'
        running.unit("notify.service", running.build({"notify": text})["notify"])
        running.write(
            "/etc/nixos/parameters", configuration.parameters(stack.settings_of(), "prod")
        )
        # Debian's own, which has two names.
        running.ok("systemctl", "mask", "--now", "ssh.service", "ssh.socket")
        running.ok("rm", "-f", "/etc/systemd/system/sshd.service")
        for name in _SERVES:
            running.write(f"/run/systemd/system/{name}.service", _RUNS)
        running.write("/run/systemd/system/broken.service", _FAILS)
        running.ok("systemctl", "daemon-reload")
        yield running


@pytest.fixture
def well(lone: Host) -> Iterator[Host]:
    """A host on which all is well, with somebody to tell."""
    lone.ok("mkdir", "-m", "700", "-p", "/var/lib/secrets")
    lone.write(_CONF, f'url = "http://127.0.0.1:{_PORT}/{_TOPIC}"\n', 0o600)
    lone.ok("systemctl", "reset-failed")
    lone.ok("systemctl", "start", *_SERVES)
    yield lone
    lone.run("systemctl", "stop", "notify")
    lone.run("systemctl", "clean", "--what=state", "notify")


@pytest.fixture
def silent() -> bool:
    """Whether nothing answers on Plex's port."""
    return False


@pytest.fixture(autouse=True)
def plex(lone: Host, silent: bool) -> Iterator[None]:
    """What answers there; whatever it says will do."""
    with nullcontext() if silent else lone.serving(Starlette(), _PLEX):
        yield


@pytest.fixture
def receiver(well: Host) -> Iterator[Receiver]:
    made = Receiver()
    with well.serving(made.app, _PORT):
        yield made


def look(on: Host, times: int = 1) -> None:
    """What the timer does."""
    for _ in range(times):
        on.ok("systemctl", "start", "notify")


def test_it_tells_once_of_a_unit_that_has_failed_and_once_that_it_is_well(
    well: Host, receiver: Receiver
) -> None:
    look(well, 2)
    assert receiver.since() == []

    assert well.run("systemctl", "start", "broken").returncode != 0
    look(well, 3)
    problem = "broken.service has failed; see journalctl -u broken.service"
    assert receiver.since() == [f"{_DOMAIN}: {problem}\n"]

    well.ok("systemctl", "reset-failed", "broken")
    look(well, 3)
    assert receiver.since() == [f"{_DOMAIN}: well again, after: {problem}\n"]


def test_what_should_run_and_does_not_is_told(well: Host, receiver: Receiver) -> None:
    well.ok("systemctl", "stop", "media")
    look(well, 2)
    assert receiver.since() == [f"{_DOMAIN}: media.service does not run; see journalctl -u media\n"]


@pytest.mark.parametrize("silent", [True])
def test_a_plex_that_runs_and_never_answers_is_told(well: Host, receiver: Receiver) -> None:
    problem = "plex.service runs, and nothing answers on port 32400; see journalctl -u plex"
    look(well, 2)
    assert receiver.since() == [f"{_DOMAIN}: {problem}\n"]
    with well.serving(Starlette(), _PLEX):
        look(well, 2)
    assert receiver.since() == [f"{_DOMAIN}: well again, after: {problem}\n"]


def test_what_is_over_by_the_next_look_is_not_told(well: Host, receiver: Receiver) -> None:
    well.ok("systemctl", "stop", "plex")
    look(well)
    well.ok("systemctl", "start", "plex")
    look(well, 2)
    assert receiver.since() == []


def test_what_could_not_be_told_is_told_later(well: Host) -> None:
    well.run("systemctl", "start", "broken")
    look(well)
    assert well.run("systemctl", "start", "notify").returncode != 0
    later = Receiver()
    with well.serving(later.app, _PORT):
        # That it could not tell is a failure like others, but over with this look.
        look(well, 2)
    assert later.since() == [
        f"{_DOMAIN}: broken.service has failed; see journalctl -u broken.service\n"
    ]


def test_the_address_is_seen_by_root_alone(well: Host) -> None:
    well.run("systemctl", "start", "broken")
    look(well)
    well.run("systemctl", "start", "notify")
    assert "curl: (7)" in well.journal("notify")
    assert _TOPIC not in well.journal("notify")
    assert _TOPIC not in well.ok("systemctl", "cat", "notify")


def test_without_an_address_nobody_is_told(well: Host, receiver: Receiver) -> None:
    well.ok("rm", _CONF)
    well.run("systemctl", "start", "broken")
    look(well, 3)
    assert receiver.since() == []
