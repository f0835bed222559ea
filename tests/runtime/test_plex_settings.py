"""Plex's settings: plex.service as the configuration has it, under real systemd, with Plex's stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

import pytest

from tests.runtime.lone_host import Host, host
from tests.runtime.media import await_true

_FOLDER = "/var/lib/plex/Plex Media Server"
_PREFERENCES = f"{_FOLDER}/Preferences.xml"
_KEPT = "/var/lib/plex-gate/Preferences.xml"
_TOKEN = "aTokenOfTheOwner1234"
_IDENTIFIERS = " ".join(f'{name}MachineIdentifier="a1"' for name in ("", "Processed", "Anonymous"))
_UNIT = 'config.systemd.units."plex.service".text'
# Plex needs the mount; here there is none.
_MEDIA = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"
_HERE, _THERE = "https://plex.films.sandbox:443", "https://cinema.films.sandbox:443"


@dataclass(frozen=True)
class Plex:
    """plex.service, stopped at first, and without data."""

    host: Host
    units: dict[str, str]
    cursor: str

    def start(self, domain: str = _HERE) -> None:
        """Start it, with the configuration of that name."""
        self.host.unit("plex.service", self.units[domain])
        self.host.ok("systemctl", "start", "plex")
        self.host.await_port("127.0.0.1", 32400)

    def restart(self, domain: str = _HERE) -> dict[str, str]:
        """What it has then."""
        self.stop()
        self.start(domain)
        return self.settings()

    def stop(self) -> None:
        self.host.ok("systemctl", "stop", "plex")

    def pid(self) -> str:
        return self.host.ok("systemctl", "show", "-P", "MainPID", "plex").strip()

    def await_another_than(self, pid: str) -> None:
        await_true(lambda: self.pid() not in ("0", pid))

    def text(self) -> str:
        return self.host.ok("cat", _PREFERENCES)

    def settings(self) -> dict[str, str]:
        return dict(ElementTree.fromstring(self.text()).attrib)

    def write(self, text: str) -> None:
        """As Plex leaves it, which is stopped: its own, and nobody else's to read."""
        self.host.write(_PREFERENCES, text, 0o600)
        self.host.ok("chown", "-R", "plex:plex", "/var/lib/plex")

    def set(self, **changed: str) -> None:
        """What its owner changes, by Plex itself."""
        self.stop()
        element = ElementTree.Element("Preferences", self.settings() | changed)
        self.write(ElementTree.tostring(element, encoding="unicode"))

    def said(self, *choice: str) -> str:
        """What the unit has said in this test."""
        since = ["--after-cursor", self.cursor]
        self.host.ok("journalctl", "--sync")
        return self.host.ok("journalctl", "-u", "plex", "-o", "cat", *since, *choice)


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Host, dict[str, str]]]:
    with host(tmp_path_factory.mktemp("settings")) as running:
        running.write("/run/systemd/system/media.service", _MEDIA)
        names = {_HERE: "plex.films.sandbox", _THERE: "cinema.films.sandbox"}
        units = {
            url: running.build({"plex": _UNIT}, domain=domain, libraryBackup=False)["plex"]
            for url, domain in names.items()
        }
        yield running, units


@pytest.fixture
def plex(lone: tuple[Host, dict[str, str]]) -> Iterator[Plex]:
    running, units = lone
    running.ok("journalctl", "--sync")
    cursor = running.ok("journalctl", "-n", "0", "--show-cursor").rpartition("cursor: ")[2].strip()
    yield Plex(running, units, cursor)
    running.ok("systemctl", "stop", "plex")
    running.run("systemctl", "reset-failed", "plex")
    running.ok(
        "rm", "-rf", "/var/lib/plex", "/var/lib/plex-gate", "/run/systemd/system/plex.service.d"
    )


def test_a_new_plex_has_them_at_its_first_start(plex: Plex) -> None:
    plex.start()

    settings = plex.settings()
    assert settings["customConnections"] == _HERE
    off = ("RelayEnabled", "DlnaEnabled", "GdmEnabled", "autoEmptyTrash")
    assert [settings[name] for name in off] == ["0"] * 4
    assert settings["GenerateBIFBehavior"] == "never"
    assert settings["ProcessedMachineIdentifier"], "Plex has made its own of it"
    assert plex.host.ok("stat", "-c", "%U %a", _PREFERENCES) == "plex 600\n"
    assert plex.host.ok("stat", "-c", "%U %a", _FOLDER) == "plex 700\n"


def test_they_are_written_once(plex: Plex) -> None:
    plex.start()
    told = plex.said().count("plex-settings:")
    inode = plex.host.ok("stat", "-c", "%i %Y", _PREFERENCES)

    plex.restart()

    assert told == len(plex.host.ok("cat", f"{_FOLDER}/Preferences.written").splitlines())
    assert plex.said().count("plex-settings:") == told
    assert plex.host.ok("stat", "-c", "%i %Y", _PREFERENCES) == inode


def test_what_the_owner_changes_stays(plex: Plex) -> None:
    plex.start()
    plex.set(RelayEnabled="1", customConnections="", GenerateIntroMarkerBehavior="scheduled")

    for domain in (_HERE, _THERE, _HERE):
        settings = plex.restart(domain)

        assert settings["RelayEnabled"] == "1"
        assert settings["customConnections"] == ""
        assert settings["GenerateIntroMarkerBehavior"] == "scheduled"


def test_what_the_owner_had_before_is_theirs(plex: Plex) -> None:
    mine = 'customConnections="https://mine.test" autoEmptyTrash="1"'
    plex.write(
        f'<Preferences {mine} PlexOnlineToken="{_TOKEN}" FriendlyName="A &amp; &quot;B&quot;"/>'
    )

    plex.start()
    settings = plex.restart(_THERE)

    assert settings["customConnections"] == "https://mine.test"
    assert settings["autoEmptyTrash"] == "1"
    assert settings["RelayEnabled"] == "0"
    assert settings["FriendlyName"] == 'A & "B"'
    # As the gate looks for it.
    assert f' PlexOnlineToken="{_TOKEN}"' in plex.text()


def test_another_name_replaces_the_one_that_was_written(plex: Plex) -> None:
    plex.start()
    plex.set(RelayEnabled="1", Unknown="kept")
    before = plex.settings()

    assert plex.restart(_THERE) == before | {"customConnections": _THERE}
    assert plex.restart(_HERE) == before
    assert plex.host.ok("stat", "-c", "%U %a", _PREFERENCES) == "plex 600\n"


def test_the_name_that_an_owner_has_typed_in_already_is_followed(plex: Plex) -> None:
    plex.write(f'<Preferences customConnections="{_HERE}"/>')

    plex.start()

    assert plex.restart(_THERE)["customConnections"] == _THERE


def test_preferences_that_are_gone_are_made_anew(plex: Plex) -> None:
    plex.start()
    plex.set(RelayEnabled="1")
    plex.host.ok("rm", _PREFERENCES)

    assert plex.restart()["RelayEnabled"] == "0"


_BROKEN = {
    "another root": f'<Settings PlexOnlineToken="{_TOKEN}" {_IDENTIFIERS}/>',
    "cut short": f'<?xml version="1.0"?>\n<Preferences PlexOnlineToken="{_TOKEN}" FriendlyNa',
    "empty": "",
    "zeros": "\0" * 900,
}


@pytest.mark.parametrize("text", _BROKEN.values(), ids=_BROKEN)
def test_after_a_power_cut_the_copy_that_the_gate_has_kept_is_back(text: str, plex: Plex) -> None:
    plex.start()
    plex.set(PlexOnlineToken=_TOKEN, RelayEnabled="1")
    before = plex.settings()
    kept = f'install -D -o plex -g plex -m 600 "$0" {_KEPT}'
    plex.host.ok("sh", "-c", kept, _PREFERENCES)
    plex.write(text)

    plex.start()

    assert plex.settings() == before
    identity = plex.host.ok("curl", "-fsS", "http://127.0.0.1:32400/identity")
    assert before["ProcessedMachineIdentifier"] in identity
    assert ' claimed="1"' in identity
    assert plex.host.ok("stat", "-c", "%U %a", _PREFERENCES) == "plex 600\n"
    assert plex.host.ok("cat", f"{_PREFERENCES}.broken") == text
    warned = plex.said("-p", "warning..warning")
    assert (
        f"plex-settings: {_PREFERENCES} was empty or damaged; the last good copy is back" in warned
    )
    assert _TOKEN not in plex.said()


@pytest.mark.parametrize("name", ["another root", "cut short"])
def test_without_a_copy_a_broken_file_is_left_as_it_is(name: str, plex: Plex) -> None:
    plex.write(_BROKEN[name])

    plex.host.unit("plex.service", plex.units[_HERE])
    plex.host.ok("systemctl", "start", "plex")

    # The stand-in itself never answers with some of them; what matters is that it was its turn.
    assert plex.host.ok("systemctl", "show", "-P", "ExecMainPID", "plex") != "0\n"
    plex.stop()
    assert plex.text() == _BROKEN[name]
    assert f"plex-settings: {_PREFERENCES} is not what Plex writes" in plex.said(
        "-p", "warning..warning"
    )
    assert _TOKEN not in plex.said()


def test_without_a_copy_an_empty_file_is_that_of_a_new_plex(plex: Plex) -> None:
    plex.write("")

    plex.start()

    assert plex.settings()["RelayEnabled"] == "0"
    assert "PlexOnlineToken" not in plex.settings()


def test_a_pid_file_of_before_a_power_cut_stops_no_plex(plex: Plex) -> None:
    """The number is somebody else's by now: here it is systemd's."""
    plex.start()
    plex.stop()
    plex.host.write(f"{_FOLDER}/plexmediaserver.pid", "1\n", 0o600)

    plex.start()

    assert plex.host.ok("cat", f"{_FOLDER}/plexmediaserver.pid").strip() == plex.pid()


def interrupt(plex: Plex, program: str, script: str) -> None:
    """Have a program that the script calls end it as a power cut would; once."""
    path = plex.host.ok("systemctl", "show", "-P", "Environment", "plex")
    path = next(word for word in path.split() if word.startswith("PATH="))
    text = f"#!/bin/sh\nrm /run/interrupted/{program}\n{script}\nkill -KILL $PPID\n"
    plex.host.write(f"/run/interrupted/{program}", text, 0o755)
    plex.host.ok("chmod", "777", "/run/interrupted")
    plex.host.write(
        "/run/systemd/system/plex.service.d/test.conf",
        f"[Service]\nEnvironment=PATH=/run/interrupted:{path.removeprefix('PATH=')}\n",
    )
    plex.host.ok("systemctl", "daemon-reload")


def test_cut_short_before_it_is_in_place_the_old_one_is_whole(plex: Plex) -> None:
    plex.start()
    before = plex.settings()
    interrupt(plex, "sync", "")

    assert plex.restart(_THERE) == before

    assert plex.restart(_THERE) == before | {"customConnections": _THERE}


def test_cut_short_before_it_is_remembered_it_is_recognised(plex: Plex) -> None:
    plex.start()
    interrupt(plex, "mv", '/bin/mv "$@"')

    assert plex.restart(_THERE)["customConnections"] == _THERE
    assert f"={_HERE}\n" in plex.host.ok("cat", f"{_FOLDER}/Preferences.written")

    plex.restart(_THERE)
    assert plex.restart(_HERE)["customConnections"] == _HERE


def test_without_space_for_a_new_file_plex_starts_with_the_old_one(plex: Plex) -> None:
    plex.start()
    before = plex.settings()
    plex.host.ok("mkdir", f"{_FOLDER}/Preferences.xml.new")

    assert plex.restart(_THERE) == before


def test_one_that_is_killed_again_and_again_is_started_again(plex: Plex) -> None:
    plex.host.write("/run/systemd/system/plex.service.d/test.conf", "[Service]\nRestartSec=0\n")
    plex.start()

    # Of five starts within ten seconds systemd by itself makes no sixth.
    for _ in range(8):
        gone = plex.pid()
        plex.host.ok("systemctl", "kill", "--kill-whom=main", "--signal=KILL", "plex")
        plex.await_another_than(gone)

    plex.host.await_port("127.0.0.1", 32400)
