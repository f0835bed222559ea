"""The Hetzner stand-in, with Debian's `hcloud` as its client: what somebody would type who has a host."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.hetzner_server import TOKEN, Api, known, running

_RULES = [{"direction": "in", "protocol": "tcp", "port": "443", "source_ips": ["0.0.0.0/0"]}]


@dataclass(frozen=True)
class Shell:
    """Where somebody types; each has a server of their own in the project, `films`, which runs."""

    api: Api
    folder: Path
    films: str

    def hcloud(self, *words: str, code: int = 0) -> str:
        """What a command prints, which ends with this code."""
        environment = {
            **os.environ,
            "HOME": str(self.folder),
            "HCLOUD_ENDPOINT": self.api.url,
            "HCLOUD_TOKEN": TOKEN,
        }
        done = subprocess.run(
            ["hcloud", *words],
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, f"{words}: {said}"
        return said

    def described(self, kind: str = "server", name: str = "") -> Any:
        return json.loads(self.hcloud(kind, "describe", name or self.films, "-o", "json"))


def power(shell: Shell) -> None:
    assert shell.described()["status"] == "running"
    shell.hcloud("server", "poweroff", shell.films)
    assert shell.described()["status"] == "off"
    shell.hcloud("server", "poweron", shell.films)
    for command in ("reboot", "reset", "shutdown"):
        shell.hcloud("server", command, shell.films)
    number = shell.described()["id"]
    assert shell.hcloud("server", "ip", shell.films).startswith("203.0.113.")
    shell.hcloud("server", "delete", shell.films)
    assert number not in shell.api.machines.specs


def size(shell: Shell) -> None:
    refused = shell.hcloud("server", "change-type", shell.films, "cx33", code=1)
    assert "server must be powered off (server_not_stopped)" in refused
    shell.hcloud("server", "poweroff", shell.films)
    shell.hcloud("server", "change-type", shell.films, "cx33")
    server = shell.described()
    assert (server["server_type"]["name"], server["primary_disk_size"]) == ("cx33", 80)
    assert server["status"] == "running"


def rebuilding(shell: Shell) -> None:
    before = shell.described()
    shell.hcloud("server", "enable-protection", shell.films, "delete", "rebuild")
    for command in (["rebuild", shell.films, "--image", "debian-12"], ["delete", shell.films]):
        assert "protected" in shell.hcloud("server", *command, code=1)
    shell.hcloud("server", "disable-protection", shell.films, "delete", "rebuild")
    shell.hcloud("server", "rebuild", shell.films, "--image", "debian-12")
    after = shell.described()
    assert after["image"]["name"] == "debian-12"
    assert (after["id"], after["public_net"]) == (before["id"], before["public_net"])


def properties(shell: Shell) -> None:
    shell.hcloud("server", "enable-backup", shell.films)
    assert shell.described()["backup_window"]
    shell.hcloud("server", "disable-backup", shell.films)
    shell.hcloud("server", "set-rdns", shell.films, "--hostname", "films.example")
    assert shell.described()["public_net"]["ipv4"]["dns_ptr"] == "films.example"
    shell.hcloud("server", "add-label", shell.films, "kept=yes")
    shell.hcloud("server", "remove-label", shell.films, "stack")
    columns = ("-o", "noheader", "-o", "columns=name,status")
    listed = shell.hcloud("server", "list", "--selector", "kept=yes,!stack", *columns)
    assert listed.split() == [shell.films, "running"]
    shell.hcloud("server", "update", shell.films, "--name", "cinema")
    assert shell.described(name="cinema")["labels"] == {"kept": "yes"}


def firewalls(shell: Shell) -> None:
    (shell.folder / "rules.json").write_text(json.dumps(_RULES))
    shell.hcloud("firewall", "create", "--name", "web", "--rules-file", "rules.json")
    extra = ("--direction", "in", "--protocol", "tcp", "--port", "22", "--source-ips", "10.0.0.0/8")
    shell.hcloud("firewall", "add-rule", "web", *extra)
    ports = [rule["port"] for rule in shell.described("firewall", "web")["rules"]]
    assert ports == ["443", "22"]
    shell.hcloud("firewall", "delete-rule", "web", *extra)
    target = ("--type", "server", "--server", shell.films)
    shell.hcloud("firewall", "apply-to-resource", "web", *target)
    in_use = shell.hcloud("firewall", "delete", "web", code=1)
    assert "still applied to a resource (resource_in_use)" in in_use
    shell.hcloud("firewall", "remove-from-resource", "web", *target)
    shell.hcloud("firewall", "replace-rules", "web", "--rules-file", "rules.json")
    shell.hcloud("firewall", "delete", "web")


def addresses(shell: Shell) -> None:
    # This client asks for a datacenter where the API wants a location now: it can make none itself.
    body = {"name": "kept", "type": "ipv6", "location": "fsn1"}
    kept = shell.api.http.post("/primary_ips", json=body).json()["primary_ip"]["ip"]
    first = kept.removesuffix("/64") + "1"
    shell.hcloud("primary-ip", "set-rdns", "kept", "--ip", first, "--hostname", "films.example")
    shell.hcloud("primary-ip", "enable-protection", "kept")
    assert "protected" in shell.hcloud("primary-ip", "delete", "kept", code=1)
    number = str(shell.described()["public_net"]["ipv6"]["id"])
    assert "powered off" in shell.hcloud("primary-ip", "unassign", number, code=1)
    shell.hcloud("server", "poweroff", shell.films)
    shell.hcloud("primary-ip", "unassign", number)
    shell.hcloud("primary-ip", "assign", "kept", "--server", shell.films)
    assert shell.described()["public_net"]["ipv6"]["ip"] == kept
    shell.hcloud("primary-ip", "delete", number)


def keys(shell: Shell) -> None:
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "id"]
    subprocess.run(make, cwd=shell.folder, check=True)
    create = ("ssh-key", "create", "--public-key-from-file", "id.pub", "--name")
    shell.hcloud(*create, "laptop")
    assert "uniqueness_error" in shell.hcloud(*create, "more", code=1)
    shell.hcloud("ssh-key", "update", "laptop", "--name", "desk")
    assert shell.described("ssh-key", "desk")["public_key"].startswith("ssh-ed25519 ")
    shell.hcloud("ssh-key", "delete", "desk")


def orders(shell: Shell) -> None:
    order = ("server", "create", "--image", "ubuntu-24.04", "--name", "more", "--type")
    shell.hcloud(*order, "cx23", "--location", "nbg1", "--without-ipv4")
    assert shell.described(name="more")["location"]["name"] == "nbg1"
    again = shell.hcloud(*order, "cx23", code=1)
    assert "server name is already used (uniqueness_error)" in again
    sold_out = shell.hcloud(*order[:-2], "most", "--type", "cx43", "--location", "hel1", code=1)
    assert "cx43 is not available in hel1 at present (resource_unavailable)" in sold_out
    assert "invalid_input" in shell.hcloud(*order[:-2], "most", "--type", "cx22", code=1)
    assert "not found: nobody" in shell.hcloud("server", "describe", "nobody", code=1)
    assert "datacenters were removed" in shell.hcloud("datacenter", "list", code=1)


_SESSIONS = (power, size, rebuilding, properties, firewalls, addresses, keys, orders)


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[None]]]:
    """All sessions at once: this client waits half a second for every action, and cannot be told not to."""
    with (
        running(tmp_path_factory.mktemp("hetzner")) as api,
        ThreadPoolExecutor(len(_SESSIONS)) as typing,
    ):
        yield {
            session.__name__: typing.submit(
                session, _shell(api, tmp_path_factory, session.__name__)
            )
            for session in _SESSIONS
        }


def _shell(api: Api, folders: pytest.TempPathFactory, name: str) -> Shell:
    order = {
        "name": name,
        "server_type": "cx23",
        "image": "ubuntu-24.04",
        "labels": {"stack": name},
    }
    created = api.http.post("/servers", json=order).json()
    api.client.actions.get_by_id(known(created["next_actions"][0]["id"])).wait_until_finished()
    return Shell(api, folders.mktemp(name), name)


@pytest.mark.parametrize("session", _SESSIONS, ids=lambda session: session.__name__)
def test_somebody_can_type(
    sessions: dict[str, Future[None]], session: Callable[[Shell], None]
) -> None:
    sessions[session.__name__].result()
