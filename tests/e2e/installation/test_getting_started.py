"""Somebody follows docs/getting-started.md to the letter, with the sandbox in the place of the internet.

The commands are the document's, byte for byte; `api.hetzner.cloud`, Backblaze, GitHub, releases.nixos.org and
Let's Encrypt are the sandbox's. What the person adds of their own stands in the tables here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from sandbox import visit
from sandbox.paths import REPO
from tests.e2e.installation.document import commands, difference
from tests.e2e.installation.reader import DOMAIN, Reader
from tests.e2e.installation.terminal import Answer
from tests.e2e.world import World

DOCUMENT = REPO / "docs" / "getting-started.md"

NOT_RUN = {
    "curl -fsSL https://get.pulumi.com | sh": "Pulumi's own host is not in the sandbox: the engine is built",
    "pulumi install": (
        "PyPI and the plugins' hosts are not in the sandbox; the tests' environment has the same packages in "
        "the same versions, and the plugins are built"
    ),
}
PASSPHRASE = "correct horse battery staple"
SECONDS = 180
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
        "pulumi up": [Answer("Do you want to perform this update?", UP + ENTER)],
        f"ssh -L 32400:127.0.0.1:32400 alice@{DOMAIN}": [Answer("[alice@plex:~]$", claim)],
        "read -r RCLONE_B2_ACCOUNT && export RCLONE_B2_ACCOUNT": [Answer("", key_id("laptop"))],
        "read -rs RCLONE_B2_KEY && export RCLONE_B2_KEY": [Answer(None, secret("laptop", "\n"))],
        "pulumi destroy": [Answer("Do you want to perform this destroy?", UP + ENTER)],
        "pulumi stack rm plex": [Answer("by typing `plex`:", "plex\n")],
    }


def by_hand(reader: Reader) -> dict[str, list[Callable[[], None]]]:
    """What is done before a command, in a browser or an editor."""
    return {
        "cp Pulumi.prod.yaml Pulumi.plex.yaml": [reader.add_zone, reader.make_buckets_and_keys],
        "pulumi login --local": [reader.fill_in],
        "read -r RCLONE_B2_ACCOUNT && export RCLONE_B2_ACCOUNT": [reader.open_the_site],
    }


def test_a_person_who_follows_the_document_gets_through(world: World) -> None:
    reader = Reader(world)
    reader.fork()
    typed, done_before = answers(reader), by_hand(reader)
    documented = list(commands(DOCUMENT))
    unknown = {*typed, *done_before, *NOT_RUN} - {command.text for command in documented}
    assert not unknown, "no longer in the document"
    with closing(reader.move_in()) as terminal:
        for command in documented:
            if command.text in NOT_RUN:
                continue
            for step in done_before.get(command.text, []):
                step()
            answer = typed.get(command.text, [])
            shown, status = terminal.run(command.text, answer, seconds=SECONDS)
            told = f"{DOCUMENT.name}:{command.line}: $ {command.text}\n{shown}"
            assert status == 0, told
            wrong = difference(command.printed, shown.splitlines())
            assert wrong is None, f"{wrong}\n{told}"
    assert reader.left_at_hetzner() == {}
    pushed = reader.pushed("Pulumi.plex.yaml")
    assert f"domain: {DOMAIN}" in pushed
    for secret in (reader.token, *(key.secret for key in reader.keys.values())):
        assert secret not in pushed + terminal.text
