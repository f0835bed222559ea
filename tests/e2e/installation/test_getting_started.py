"""Somebody follows docs/getting-started.md to the letter, with the sandbox in the place of the internet; and
before they take it all down, the other guides.

The commands are the documents', byte for byte; `api.hetzner.cloud`, Backblaze, GitHub, releases.nixos.org and
Let's Encrypt are the sandbox's. What the person adds of their own stands in the tables here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import chain

import pytest

from sandbox import visit
from sandbox.nixpkgs.tarball import NEXT_RELEASE
from sandbox.paths import REPO
from tests.e2e.installation.document import Block, Command, blocks, difference
from tests.e2e.installation.guides import FIRST, FOLLOWED, LATER
from tests.e2e.installation.reader import DOMAIN, Reader
from tests.e2e.installation.terminal import Answer, Terminal
from tests.e2e.world import World

pytestmark = pytest.mark.heavy

NOT_RUN = {
    "pulumi install": "PyPI and the plugins' hosts are not in the sandbox",
}
# As what was printed before has it, in the place of the ellipsis.
FILLED_IN = {
    "pulumi config set nixosRelease …": f"pulumi config set nixosRelease {NEXT_RELEASE}",
}
PASSPHRASE = "correct horse battery staple"
SECONDS = 600
UP, ENTER = "\x1b[A", "\r"


def answers(reader: Reader) -> dict[str, list[Answer]]:
    """What is typed when a command asks; each question is a part of what it shows."""

    def claim() -> str:
        visit.fetch("http://127.0.0.1:32400/web", "-f", state=reader.world.state)
        visit.fetch(
            f"http://127.0.0.1:32400/myplex/claim?token={visit.CLAIM}",
            *("-f", "-X", "POST"),
            state=reader.world.state,
        )
        return "exit\n"

    def key_id(name: str) -> Callable[[], str]:
        return lambda: reader.keys[name].id + "\n"

    def secret(name: str, end: str) -> Callable[[], str]:
        return lambda: reader.keys[name].secret + end

    return {
        "ssh-keygen -t ed25519": [
            Answer("which to save the key", "\n"),
            Answer("Enter passphrase", "\n"),
            Answer("Enter same passphrase", "\n"),
        ],
        "pulumi stack init plex": [
            Answer("to protect config/secrets:", PASSPHRASE + ENTER),
            Answer("to confirm:", PASSPHRASE + ENTER),
        ],
        "read -rs PULUMI_CONFIG_PASSPHRASE && export PULUMI_CONFIG_PASSPHRASE": [
            Answer(None, PASSPHRASE + "\n")
        ],
        "pulumi config set --secret hcloud:token": [Answer("value:", reader.token + ENTER)],
        "pulumi config set --secret b2ApplicationKey": [
            Answer("value:", secret("plex-host", ENTER))
        ],
        "pulumi config set --secret backupApplicationKey": [
            Answer("value:", secret("plex-library", ENTER))
        ],
        f"ssh -L 32400:127.0.0.1:32400 alice@{DOMAIN}": [Answer("[alice@plex:~]$", claim)],
        "read -r RCLONE_B2_ACCOUNT && export RCLONE_B2_ACCOUNT": [Answer("", key_id("laptop"))],
        "read -rs RCLONE_B2_KEY && export RCLONE_B2_KEY": [Answer(None, secret("laptop", "\n"))],
        "pulumi stack rm plex": [Answer("by typing `plex`:", "plex\n")],
    }


def by_hand(reader: Reader) -> dict[str, list[Callable[[], None]]]:
    """What is done before a command, in a browser or an editor."""
    return {
        "cp Pulumi.prod.yaml Pulumi.plex.yaml": [reader.add_zone, reader.make_buckets_and_keys],
        "pulumi login --local": [reader.fill_in],
        "read -r RCLONE_B2_ACCOUNT && export RCLONE_B2_ACCOUNT": [reader.open_the_site],
        "python -m fleet status plex": [reader.open_the_site],
        "pulumi config set --path 'administrators.bob[0]' \"$(cat bob.pub)\"": [reader.get_a_key],
        "git fetch upstream": [reader.learn_of_a_version, reader.learn_of_a_release],
    }


def typed(command: Command) -> str:
    """A command's line, without a comment."""
    return command.text.partition("   #")[0]


def yes(command: str) -> list[Answer]:
    """What is typed when Pulumi asks whether it may."""
    for word in ("update", "destroy", "refresh"):
        if command.startswith("pulumi up" if word == "update" else f"pulumi {word}"):
            return [Answer(f"Do you want to perform this {word}?", UP + ENTER, keys=True)]
    return []


def guide(name: str) -> list[Block]:
    """What is to be followed of a guide."""
    return [block for block in blocks(REPO / "docs" / name) if block.tests == [FOLLOWED]]


@dataclass
class Following:
    """A reader at a terminal."""

    reader: Reader
    terminal: Terminal

    def __post_init__(self) -> None:
        self._typed, self._before = answers(self.reader), by_hand(self.reader)

    def follow(self, block: Block) -> None:
        """Run a block's commands; each has to succeed, and to print what is shown."""
        for command in block.commands:
            text = typed(command)
            if text in NOT_RUN:
                continue
            text = FILLED_IN.get(text, text)
            for step in self._before.get(text, []):
                step()
            answer = self._typed.get(text) or yes(text)
            shown, status = self.terminal.run(text, answer, seconds=SECONDS)
            told = f"{block.document.name}:{command.line}: $ {text}\n{shown}"
            assert status == 0, told
            wrong = difference(command.printed, shown.splitlines()) if block.shown else None
            assert wrong is None, f"{wrong}\n{told}"


def test_a_person_who_follows_the_documents_gets_through(world: World) -> None:
    reader = Reader(world)
    reader.fork()
    reader.live_before_the_next_release()
    first, later = guide(FIRST), list(chain.from_iterable(map(guide, LATER)))
    known = {typed(command) for block in [*first, *later] for command in block.commands}
    tables = {*answers(reader), *by_hand(reader), *FILLED_IN}
    assert not tables - known, "no longer in a document"
    *until, end = first  # which takes it all down
    with closing(reader.move_in()) as terminal:
        following = Following(reader, terminal)
        for block in [*until, *later, end]:
            following.follow(block)
        shown = terminal.text
    assert reader.world.left_at_hetzner("plex") == {}
    pushed = reader.pushed("Pulumi.plex.yaml")
    assert f"domain: {DOMAIN}" in pushed
    assert "serverType: cx33" in pushed
    assert f'nixosRelease: "{NEXT_RELEASE}"' in pushed
    for secret in (reader.token, *(key.secret for key in reader.keys.values())):
        assert secret not in pushed + shown
