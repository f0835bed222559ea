"""An SSH key of a stack's, out of its exported state, as somebody carries it to the host."""

from __future__ import annotations

import io
import json
from base64 import b64encode

import pytest

from components import ssh_key
from components.identity import private_text, public_text

_NAMES = ("plex-deploy", "plex-install-host", "plex-host")


def seed(name: str) -> str:
    return b64encode(name.encode().ljust(32, b".")).decode()


def exported() -> str:
    """A state with three identities and other things, as Pulumi prints it."""
    kind = "random:index/randomBytes:RandomBytes"
    above = "urn:pulumi:plex::plex-on-nixos::plex-on-nixos:index:SshIdentity"
    identities = [{"urn": f"{above}::{name}", "type": above[-38:]} for name in _NAMES]
    seeds = [
        {
            "urn": f"{above}${kind}::{name}",
            "type": kind,
            "outputs": {
                "base64": {"4dabf18193072939515e22adb298388d": "…", "plaintext": f'"{seed(name)}"'}
            },
        }
        for name in _NAMES
    ]
    return json.dumps({"version": 3, "deployment": {"resources": [*identities, *seeds]}})


def run(monkeypatch: pytest.MonkeyPatch, given: str, *arguments: str) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(given))
    return ssh_key.main(list(arguments))


def test_the_deploy_key_is_the_line_that_sshd_reads(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, exported(), "deploy") == 0
    assert capsys.readouterr().out == f"{public_text(seed('plex-deploy'))}\n"


def test_the_host_key_is_the_hosts_and_not_the_installers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, exported(), "host") == 0
    assert capsys.readouterr().out == private_text(seed("plex-host"))


@pytest.mark.parametrize("arguments", [[], ["install-host"], ["deploy", "host"]])
def test_there_are_two_to_choose_from(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, exported(), *arguments) == 2
    assert capsys.readouterr() == ("", "ssh-key: which one? KEY=deploy or KEY=host\n")


@pytest.mark.parametrize("given", ["", "{}", "[]", '{"deployment": {"resources": []}}', "secret"])
def test_what_is_no_state_is_told_and_not_shown(
    given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, given, "host") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "ssh-key: that is not what pulumi stack export --show-secrets prints\n"


def test_without_secrets_nothing_comes_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = exported().replace("plaintext", "ciphertext")
    assert run(monkeypatch, given, "host") == 1
    assert capsys.readouterr().out == ""
