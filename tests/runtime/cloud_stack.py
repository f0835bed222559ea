"""The whole program, run by the real engine and the real provider against the Hetzner stand-in.

The commands over SSH are left out, and with them the guard that comes last: there is no host behind these
servers. So a run takes two or three seconds.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

import yaml

from sandbox.credentials import PASSPHRASE
from sandbox.paths import REPO
from tests.runtime import hetzner_server
from tests.runtime.engine import Engine, RunFailed
from tests.runtime.hetzner_server import TOKEN, ZONE, Api
from tests.stack import PUBLIC_KEY

__all__ = ["CloudStack", "RunFailed", "running"]

# With a name of its own, the stack would leave a file with its salt in the checkout.
NAME = "sandbox"
_WITHOUT_A_HOST = ("--exclude", "**command:remote:Command::**", "--exclude-dependents")


@dataclass(frozen=True)
class CloudStack:
    """A stack that is not made yet, and the API that it will ask."""

    api: Api
    engine: Engine

    @property
    def _configuration(self) -> Path:
        return self.engine.directory / f"Pulumi.{NAME}.yaml"

    def up(self, *words: str, seen: Callable[[str], None] = lambda _line: None) -> str:
        """`pulumi up` without a preview; what it printed. Raises `RunFailed`."""
        return self._run("up", "--yes", "--skip-preview", *_WITHOUT_A_HOST, *words, seen=seen)

    def up_with_preview(self) -> str:
        """`pulumi up` as people run it; what it printed. Raises `RunFailed`."""
        return self._run("up", "--yes", *_WITHOUT_A_HOST)

    def failed_up(self, *words: str) -> str:
        """`pulumi up` that has to fail; what it printed.

        After a failure the engine begins nothing new, unless told `--continue-on-error`.
        """
        try:
            printed = self.up(*words)
        except RunFailed as failure:
            return str(failure)
        raise AssertionError(f"it did not fail:\n{printed}")

    def preview(self) -> str:
        """`pulumi preview`; what it printed. Raises `RunFailed`."""
        return self._run("preview", *_WITHOUT_A_HOST)

    def destroy(self, *words: str) -> str:
        """`pulumi destroy`; what it printed. Raises `RunFailed`."""
        return self._run("destroy", "--yes", *words)

    def command(self, line: str) -> str:
        """One of Pulumi's commands as a message shows it to people. Raises `RunFailed`."""
        program, *words = shlex.split(line)
        assert program == "pulumi", line
        return self._run(*words, "--yes", "--skip-preview")

    def configure(self, **values: object) -> None:
        """Set values of the stack's configuration by their keys in Pulumi.yaml."""
        content = yaml.safe_load(self._configuration.read_text())
        content["config"] |= {f"plex-on-nixos:{key}": value for key, value in values.items()}
        self._configuration.write_text(yaml.safe_dump(content))

    def resources(self) -> dict[str, dict[str, Any]]:
        """What the state knows of Hetzner: type and name, such as `Server sandbox`, to the resource."""
        state = json.loads(self.engine.run("stack", "export", "--stack", NAME))
        return {
            f"{each['type'].rpartition(':')[2]} {each['urn'].rpartition('::')[2]}": each
            for each in state["deployment"].get("resources", [])
            if each["type"].startswith("hcloud:")
        }

    def all(self, kind: str) -> list[dict[str, Any]]:
        """All that Hetzner has of a kind, such as `servers`, as the API shows it."""
        found: list[dict[str, Any]] = self.api.http.get(f"/{kind}").json()[kind]
        return found

    def lose_server(self) -> None:
        """Delete the one server behind Pulumi's back."""
        (server,) = self.api.client.servers.get_all()
        server.change_protection(delete=False, rebuild=False).wait_until_finished()
        server.delete().wait_until_finished()

    def asked(self) -> list[tuple[str, str]]:
        """The requests since this was last called."""
        requests = list(self.api.faults.requests)
        self.api.faults.requests.clear()
        return requests

    @contextmanager
    def never_answered(self, then: Callable[[], None]) -> Iterator[None]:
        """For one run: Hetzner never answers the order for a server; once it has it, `then` is called."""
        self.api.faults.order(method="POST", path="/servers", do="never")
        self.asked()
        over = Event()

        def wait() -> None:
            while ("POST", "/servers") not in self.api.faults.requests:
                if over.wait(0.05):
                    return
            then()

        waiting = Thread(target=wait)
        waiting.start()
        try:
            yield
        finally:
            over.set()
            waiting.join()

    def _run(self, *words: str, seen: Callable[[str], None] = lambda _line: None) -> str:
        own = ("--stack", NAME, "--config-file", str(self._configuration))
        return self.engine.run(*words, *own, seen=seen)


@contextmanager
def running(
    directory: Path, *, environment: Mapping[str, str] | None = None, **values: object
) -> Iterator[CloudStack]:
    """A stack and an API with nothing in them.

    Args:
        directory: where all of it is kept.
        environment: what Pulumi is told besides.
        values: of the stack's configuration.
    """
    with hetzner_server.running(directory / "api") as api:
        told = {"HCLOUD_TOKEN": TOKEN, **(environment or {})}
        stack = CloudStack(api, Engine(directory / "pulumi", REPO, told, passphrase=PASSPHRASE))
        content = yaml.safe_load((REPO / f"Pulumi.{NAME}.yaml").read_text())
        del content["config"]["hcloud:token"]
        content["config"] |= {"hcloud:endpoint": api.url, "hcloud:pollInterval": "20ms"}
        stack._configuration.write_text(yaml.safe_dump(content))
        stack.configure(
            domain=f"plex.{ZONE}",
            dnsZone=ZONE,
            administrators={"alice": [PUBLIC_KEY]},
            pins="tests/pins.json",
            protect=True,
        )
        stack.configure(**values)
        stack.engine.run("stack", "init", NAME)
        yield stack
