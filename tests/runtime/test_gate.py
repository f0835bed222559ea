"""Closed until claimed: plex-gate.service as the configuration has it, under real systemd.

Only the pause between two looks is replaced: it ends when the test says so, and not after two seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.runtime.lone_host import Host, host

_PREFERENCES = "/var/lib/plex/Plex Media Server/Preferences.xml"
_TOKEN = 'PlexOnlineToken="aTokenOfTheOwner1234"'
_CLAIM = "http://127.0.0.1:32400/myplex/claim?token=claim-abcdefghij0123456789"
# Plex needs the mount; here there is none.
_MEDIA = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"
_PAUSE = """#!/bin/sh
echo looked >/run/gate-test/looked
read -r _ </run/gate-test/again
"""


@dataclass(frozen=True)
class Gate:
    """A running gate, which waits to look again."""

    host: Host

    def opens(self) -> bool:
        """What it makes of a look."""
        script = "echo again >/run/gate-test/again; read -r _ </run/gate-test/looked"
        self.host.ok("timeout", "60", "sh", "-c", script)
        return self.is_open()

    def comes_open(self) -> bool:
        """What it makes of some looks: a Plex that says nothing for five seconds leaves it in doubt."""
        return any(self.opens() for _ in range(4))

    def is_open(self) -> bool:
        """As nginx asks."""
        return self.host.run("test", "-e", "/run/plex-gate/open").returncode == 0


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with host(tmp_path_factory.mktemp("gate")) as running:
        units = ("plex-gate", "plex")
        texts = {name: f'config.systemd.units."{name}.service".text' for name in units}
        for name, path in running.build(texts, libraryBackup=False).items():
            running.unit(f"{name}.service", path)
        running.write("/run/systemd/system/media.service", _MEDIA)
        running.write("/run/gate-test/bin/sleep", _PAUSE, 0o755)
        running.ok("mkfifo", "-m", "666", "/run/gate-test/looked", "/run/gate-test/again")
        path = running.ok("systemctl", "show", "-P", "Environment", "plex-gate").strip()
        assert path.startswith("PATH=")
        running.write(
            "/run/systemd/system/plex-gate.service.d/test.conf",
            f"[Service]\nEnvironment=PATH=/run/gate-test/bin:{path.removeprefix('PATH=')}\n",
        )
        running.ok("systemctl", "daemon-reload")
        yield running


@pytest.fixture
def gate(lone: Host) -> Iterator[Gate]:
    """It has looked once, at a host without Plex."""
    lone.ok("rm", "-rf", "/var/lib/plex", "/var/lib/plex-gate")
    lone.ok("systemctl", "start", "plex-gate")
    lone.ok("timeout", "60", "sh", "-c", "read -r _ </run/gate-test/looked")
    yield Gate(lone)
    lone.ok("systemctl", "stop", "plex-gate", "plex")


def prefer(on: Host, attributes: str) -> None:
    """Preferences.xml as Plex leaves it: its own, and nobody else's to read."""
    text = f'<?xml version="1.0" encoding="utf-8"?>\n<Preferences AcceptedEULA="1" {attributes}/>\n'
    on.write(_PREFERENCES, text, 0o600)
    on.ok("chown", "-R", "plex:plex", "/var/lib/plex")


@contextmanager
def saying(
    on: Host, body: str, status: int = 200, *, hangs: threading.Event | None = None
) -> Iterator[list[str]]:
    """Something on Plex's port with this answer, not while it hangs; who asked for what is written down."""
    asked: list[str] = []

    def answer(request: Request) -> Response:
        asked.append(request.url.path)
        if hangs:
            hangs.wait(300)
        return Response(body, status)

    with on.serving(Starlette(routes=[Route("/{path:path}", answer)]), 32400):
        yield asked


def identity(claimed: str) -> str:
    return f'<MediaContainer size="0" claimed="{claimed}" machineIdentifier="a1" version="1"/>'


def test_plexs_own_claim_opens_it_and_its_end_closes_it(gate: Gate) -> None:
    gate.host.ok("systemctl", "start", "plex")
    gate.host.await_port("127.0.0.1", 32400)
    assert not gate.opens()

    gate.host.ok("curl", "-fsS", "-X", "POST", _CLAIM)
    assert gate.comes_open()
    assert gate.comes_open()

    token = gate.host.ok(
        "sed", "-En", 's/.*PlexOnlineToken="([^"]+)".*/\\1/p', _PREFERENCES
    ).strip()
    account = "http://127.0.0.1:32400/myplex/account"
    gate.host.ok("curl", "-fsS", "-X", "DELETE", "-H", f"X-Plex-Token: {token}", account)
    assert not gate.opens()
    assert not gate.opens()
    assert token not in gate.host.journal("plex-gate")


def test_it_is_closed_while_plex_is_down(gate: Gate) -> None:
    gate.host.ok("systemctl", "start", "plex")
    gate.host.await_port("127.0.0.1", 32400)
    gate.host.ok("curl", "-fsS", "-X", "POST", _CLAIM)
    assert gate.comes_open()

    gate.host.ok("systemctl", "stop", "plex")
    assert not gate.opens()

    gate.host.ok("systemctl", "start", "plex")
    gate.host.await_port("127.0.0.1", 32400)
    gate.host.ok("curl", "-fsS", "http://127.0.0.1:32400/identity")
    assert gate.comes_open()


def test_both_together_open_it(gate: Gate) -> None:
    prefer(gate.host, _TOKEN)
    with saying(gate.host, identity("1")) as asked:
        assert gate.comes_open()
    assert set(asked) == {"/identity"}


_KEPT = "/var/lib/plex-gate/Preferences.xml"
_IDENTITY = 'ProcessedMachineIdentifier="a1"'


def test_of_preferences_the_last_whole_ones_are_kept(gate: Gate) -> None:
    prefer(gate.host, _IDENTITY)
    gate.opens()
    assert gate.host.ok("cat", _KEPT) == gate.host.ok("cat", _PREFERENCES)

    prefer(gate.host, f"{_IDENTITY} {_TOKEN}")
    gate.opens()
    whole = gate.host.ok("cat", _PREFERENCES)
    assert gate.host.ok("cat", _KEPT) == whole
    assert gate.host.ok("stat", "-c", "%U %a", _KEPT) == "plex 600\n"

    # As it may be found while Plex writes it, or after a power cut; and before Plex has made its own of it.
    for text in ("", whole[:60], "\0" * len(whole), "<Preferences/>\n"):
        gate.host.write(_PREFERENCES, text)
        gate.opens()
        assert gate.host.ok("cat", _KEPT) == whole, repr(text)
    gate.host.ok("rm", _PREFERENCES)
    gate.opens()
    assert gate.host.ok("cat", _KEPT) == whole
    assert "aTokenOfTheOwner1234" not in gate.host.journal("plex-gate")


def test_after_a_power_cut_plex_has_its_owner_and_is_open_again(gate: Gate) -> None:
    """Preferences.xml is empty, and the number in the pid file is another process's."""
    gate.host.ok("systemctl", "start", "plex")
    gate.host.await_port("127.0.0.1", 32400)
    gate.host.ok("curl", "-fsS", "-X", "POST", _CLAIM)
    assert gate.comes_open()
    before = gate.host.ok("cat", _PREFERENCES)
    gate.host.ok("systemctl", "stop", "plex")
    gate.host.write(_PREFERENCES, "")
    gate.host.write(_PREFERENCES.replace("Preferences.xml", "plexmediaserver.pid"), "1\n")
    assert not gate.opens()

    gate.host.ok("systemctl", "start", "plex")
    gate.host.await_port("127.0.0.1", 32400)

    assert gate.host.ok("cat", _PREFERENCES) == before
    assert gate.comes_open()


def test_a_plex_that_has_lost_its_owner_is_closed(gate: Gate) -> None:
    """Without the gate's copy, an empty Preferences.xml makes a new Plex of it."""
    prefer(gate.host, f"{_IDENTITY} {_TOKEN}")
    gate.host.ok("sh", "-c", f": >'{_PREFERENCES}'")

    gate.host.ok("systemctl", "start", "plex")
    gate.host.await_port("127.0.0.1", 32400)

    assert not any(gate.opens() for _ in range(3))


@pytest.mark.parametrize(
    "attributes",
    [
        "",
        'PlexOnlineToken=""',
        'PlexOnlineUsername="owner"',
        'OldPlexOnlineToken="aTokenOfTheOwner1234"',
    ],
)
def test_without_a_token_it_is_closed_whatever_plex_says(attributes: str, gate: Gate) -> None:
    prefer(gate.host, attributes)
    with saying(gate.host, identity("1")):
        assert not gate.opens()


def test_without_preferences_it_is_closed_whatever_plex_says(gate: Gate) -> None:
    with saying(gate.host, identity("1")):
        assert not gate.opens()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (identity("0"), 200),
        (identity(""), 200),
        (identity("10"), 200),
        ('<MediaContainer unclaimed="1"/>', 200),
        ("", 200),
        (identity("1"), 503),
    ],
)
def test_with_a_token_it_is_closed_while_plex_does_not_say_so(
    body: str, status: int, gate: Gate
) -> None:
    prefer(gate.host, _TOKEN)
    with saying(gate.host, body, status):
        assert not gate.opens()


def test_it_closes_when_plex_does_not_answer_in_time(gate: Gate) -> None:
    prefer(gate.host, _TOKEN)
    with saying(gate.host, identity("1")):
        assert gate.comes_open()
    ends = threading.Event()
    with saying(gate.host, identity("1"), hangs=ends) as asked:
        try:
            assert not gate.opens()
            assert set(asked) == {"/identity"}
        finally:
            ends.set()


@pytest.mark.parametrize("end", [["stop"], ["kill", "--signal=KILL"]], ids=" ".join)
def test_without_the_gate_it_is_closed(end: list[str], gate: Gate) -> None:
    prefer(gate.host, _TOKEN)
    with saying(gate.host, identity("1")):
        assert gate.comes_open()
    gate.host.ok("systemctl", *end, "plex-gate")
    gate.host.ok(
        "sh", "-c", "timeout 50 sh -c 'while [ -e /run/plex-gate/open ]; do sleep 0.05; done'"
    )
    assert not gate.is_open()
