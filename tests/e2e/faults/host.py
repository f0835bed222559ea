"""The host that meets the faults, its library, and what it means that it serves and that nothing is lost."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field

from sandbox import media, visit
from tests.e2e import machine
from tests.e2e.faults.pause import Pause
from tests.e2e.faults.project import Project
from tests.e2e.stack import Stack
from tests.e2e.world import World

_NOTHING = re.compile(r"^Resources:\n +\d+ unchanged\n\n", re.MULTILINE)
_UP = ("up", "--yes", "--skip-preview")
_DATABASE = (
    "/var/lib/plex/Plex Media Server/Plug-in Support/Databases/com.plexapp.plugins.library.db"
)
_ROWS = (
    "select title, coalesce(view_count, 0) from metadata_items"
    " left join metadata_item_settings using (id) order by title"
)
# Prints what a change has left behind, or broken.
_LEFT = """
for unit in sshd nginx media plex plex-gate; do
  systemctl is-active --quiet "$unit" || echo "$unit is not active"
done
systemctl --failed --no-legend --plain
systemctl list-units --no-legend --plain 'converge-guard*' nixos-rebuild-switch-to-configuration.service
cd /var/lib
# A change that has failed can be looked at, until the next one.
[ ! -e /etc/nixos.next ] || [ "$(jq -r .state converge/status.json)" = failed ] ||
  echo "/etc/nixos.next is left"
for path in /etc/.payload.* /root/.payload.* converge/trial* converge/database.trial \\
  converge/*.new secrets.next secrets/.on-trial nixpkgs/.fetching.*; do
  [ ! -e "$path" ] || echo "$path is left"
done
for tree in nixpkgs/nixos-*; do
  [ "$(readlink nixpkgs/current)" = "${tree#*/}" ] || echo "$tree is left"
done
[ "$(findmnt --noheadings --output SOURCE /mnt/media)" = b2:films-and-music ] || echo "no mount"
"""


@dataclass
class Host:
    """A stack's host, with a library in which films were found and watched."""

    stack: Stack
    project: Project
    identifier: str = ""
    films: str = ""
    sums: dict[str, str] = field(default_factory=dict)

    @property
    def world(self) -> World:
        """The world it lives in."""
        return self.stack.world

    def shell(self, script: str, *arguments: str) -> str:
        """What a script prints on the host, as root, without SSH."""
        return machine.shell(self.stack, script, *arguments)

    def until(self, condition: str, seconds: int = 60) -> None:
        """Wait until a condition, a line of shell, holds on the host."""
        machine.until(self.stack, condition, seconds)

    def until_rebooted(self, boots: list[str]) -> None:
        """Wait until the host has booted once more than these times, and all that boots with it is up."""
        machine.until_booted(self.stack, *boots, "installed")
        machine.until_up(self.stack)

    def pause(self, step: str) -> Pause:
        """Let the next change stop in a step."""
        return Pause(self.stack, self.project, step)

    def up(self) -> str:
        """`pulumi up`, which has to succeed; what it printed."""
        return self.stack.up()

    def up_fails(self, *sentences: str) -> str:
        """`pulumi up`, which has to fail and to say all of that; what it printed."""
        done = self.stack.pulumi(*_UP)
        said = done.stdout + done.stderr
        assert done.returncode != 0, said
        for sentence in sentences:
            assert sentence in said, said
        return said

    def system(self) -> str:
        """The generation that runs."""
        return self.shell("readlink -f /run/current-system").strip()

    def status(self, key: str) -> str:
        """A value of the host's status file."""
        return self.shell('jq -r ".$1" /var/lib/converge/status.json', key).strip()

    def settle(self) -> None:
        """Bring a new host up, with an owner and a library; that is what has to be there ever after."""
        self.up()
        outputs, state = self.stack.outputs(), self.world.state
        visit.wait_for_certificate(self.stack.url, state=state)
        visit.claim(outputs, state=state)
        self._ask("/library/sections/all/refresh")
        for views, video in enumerate(ElementTree.fromstring(self._ask("/library/all"))):
            for _ in range(views):
                self._ask(f"/:/scrobble?key={video.attrib['ratingKey']}")
        self.identifier, self.films, self.sums = self._identifier(), self.rows(), media.make(state)
        assert len(self.films.splitlines()) == len(self.sums), self.films

    def rows(self) -> str:
        """Every film in Plex's database, and how often it was watched."""
        return self.shell(f"/usr/bin/sqlite3 -readonly '{_DATABASE}' \"$1\"", _ROWS)

    def serves(self) -> None:
        """After `pulumi up` it serves, its library is whole, it is what its stack says, and stays that."""
        said = self.up()
        if not _NOTHING.search(said):
            said = self.up()
        assert _NOTHING.search(said), said
        assert self.stack.ssh("sudo drift").splitlines()[-1] == "drift: none"
        left = self.shell(_LEFT)
        assert not left, left
        assert self._identifier() == self.identifier
        assert visit.media(self.stack.outputs(), state=self.world.state) == self.sums
        assert self.rows() == self.films

    def _identifier(self) -> str:
        """Which Plex answers by HTTPS."""
        answer = visit.fetch(f"{self.stack.url}/identity", "-f", state=self.world.state)
        return ElementTree.fromstring(answer).attrib["machineIdentifier"]

    def _ask(self, path: str) -> str:
        """What Plex answers its owner on the host."""
        script = """
        settings='/var/lib/plex/Plex Media Server/Preferences.xml'
        token=$(sed -n 's/.* PlexOnlineToken="\\([^"]*\\)".*/\\1/p' "$settings")
        curl -fsS -H "X-Plex-Token: $token" "http://127.0.0.1:32400$1"
        """
        return self.shell(script, path)
