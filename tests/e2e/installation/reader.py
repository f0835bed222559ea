"""A reader of the documentation: a home of their own, a fork at GitHub, accounts at Hetzner and Backblaze."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox import credentials, inside, toolchain, visit
from sandbox.nixpkgs.tarball import NEXT_RELEASE, RELEASE
from sandbox.paths import CACHE, REPO
from tests.e2e.installation.terminal import Terminal
from tests.e2e.world import World

NAME = "alice"
ZONE = "alice.example"
DOMAIN = f"plex.{ZONE}"
BUCKET = "alices-films"
LIBRARY_BUCKET = f"{BUCKET}-library"

_HOME = Path(pwd.getpwuid(os.getuid()).pw_dir)
# What is written to the home lands in a folder of the test's, and only this terminal sees it.
_MOVE_IN = """
mount -t overlay overlay -o "lowerdir=$HOME,upperdir=$1,workdir=$2" "$HOME"
shift 2
cd
exec "$@"
"""
_READ = ("listBuckets", "listFiles", "readFiles")
_WRITE = ("writeFiles", "deleteFiles")


@dataclass(frozen=True)
class Key:
    """An application key of B2's."""

    id: str
    secret: str


@dataclass
class Reader:
    """Somebody with the computer that the document asks for, in a world."""

    world: World
    keys: dict[str, Key] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Everything of the reader's; it goes with the world."""
        return self.world.state / "reader"

    @property
    def home(self) -> Path:
        """Where the files are that the reader's terminal has in its home."""
        return self.folder / "home"

    @property
    def clone(self) -> Path:
        """The reader's clone of their fork."""
        return self.home / "plex-on-nixos"

    def move_in(self) -> Terminal:
        """Give the reader a computer, with the programs that the document asks for, and open a terminal."""
        self.home.mkdir(parents=True)
        (self.folder / "work").mkdir()
        for name in (".ssh", ".pulumi", ".config"):  # nothing of the user's own shows through
            (self.home / name).mkdir(mode=0o700)
            os.setxattr(self.home / name, "trusted.overlay.opaque", b"y")
        toolchain.install_plugins(self.home / ".pulumi")
        (self.home / ".gitconfig").write_text(
            f"[user]\n  name = {NAME}\n  email = {NAME}@{ZONE}\n"
            f'[url "file://{self.folder}/github/"]\n  insteadOf = https://github.com/{NAME}/\n'
            # As `git remote add upstream …` has it, with the address that the original will have.
            f'[remote "upstream"]\n  url = file://{self.folder}/tree\n'
            "  fetch = +refs/heads/*:refs/remotes/upstream/*\n"
        )
        film = self.home / "Films" / "A Film (2020).mkv"
        film.parent.mkdir()
        film.write_bytes(os.urandom(300_000))
        shell = ["bash", "--norc", "--noprofile", "--noediting"]
        move_in = ["sh", "-ec", _MOVE_IN, "sh", str(self.home), str(self.folder / "work"), *shell]
        state = self.world.state
        return Terminal(inside.command(move_in, state), self._environment(state))

    def _environment(self, state: Path) -> dict[str, str]:
        tools = toolchain.locations()
        # The packages of requirements.txt are the tests' own.
        path = [Path(sys.executable).parent, tools.bin, tools.rclone.parent]
        inherited = {
            key: value
            for key, value in inside.environment(state).items()
            if not key.startswith(("GIT_", "HCLOUD_", "SANDBOX_"))
        }
        return {
            **inherited,
            "HOME": str(_HOME),
            "PATH": os.pathsep.join([*map(str, path), inherited["PATH"]]),
            "XDG_CACHE_HOME": str(CACHE.parent),
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            # In a CI that it knows, as GitHub's, Pulumi asks nothing, even at a terminal.
            "PULUMI_DISABLE_CI_DETECTION": "true",
        }

    def fork(self) -> None:
        """Press Fork: a repository with everything that is in this working tree, committed or not."""
        tree, bare = self.folder / "tree", self.folder / "github" / "plex-on-nixos"
        git = ["git", "-c", "user.name=upstream", "-c", "user.email=upstream@films.sandbox"]
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=REPO,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for name in filter(None, listed.split("\0")):
            if (REPO / name).is_file():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPO / name, tree / name)
        # As it does, it comes with an older nixpkgs of the newest release, which is this world's own.
        pins = json.loads((tree / "nix/pins.json").read_text())
        pins["nixpkgs"] = json.loads((tree / "tests/pins.json").read_text())["nixpkgs"]
        (tree / "nix/pins.json").write_text(json.dumps(pins))
        bare.parent.mkdir(parents=True)
        for command in (
            [*git, "init", "--quiet", "--initial-branch=main"],
            [*git, "add", "--all"],
            [*git, "commit", "--quiet", "--message=Upstream"],
            [*git, "clone", "--quiet", "--bare", str(tree), str(bare)],
        ):
            subprocess.run(command, cwd=tree, check=True)

    def live_before_the_next_release(self) -> None:
        """Begin while that has not come out."""
        self._next_release.rename(self.folder / NEXT_RELEASE)

    def learn_of_a_release(self) -> None:
        """Read, half a year later, that it has come out."""
        (self.folder / NEXT_RELEASE).rename(self._next_release)

    @property
    def _next_release(self) -> Path:
        return self.world.state / "internet/releases.nixos.org/nixos" / NEXT_RELEASE

    def learn_of_a_version(self) -> None:
        """Read that there is a new version of the original."""
        original = self.folder / "tree"
        (original / "CHANGELOG.md").write_text("# Changes\n\nA new version.\n")
        git = ["git", "-c", "user.name=upstream", "-c", "user.email=upstream@films.sandbox"]
        subprocess.run([*git, "add", "CHANGELOG.md"], cwd=original, check=True)
        subprocess.run([*git, "commit", "-qm", "A version"], cwd=original, check=True)

    def get_a_key(self) -> None:
        """Be sent the public key of somebody who is to look after the server too."""
        (self.clone / "bob.pub").write_text((self.home / ".ssh" / "id_ed25519.pub").read_text())

    def add_zone(self) -> None:
        """Add the zone in Hetzner's console."""
        self.world.api("POST", "/zones", {"name": ZONE, "mode": "primary"})

    def make_buckets_and_keys(self) -> None:
        """Make the two buckets and the three application keys on Backblaze's pages."""
        ring = json.loads((self.world.state / "b2" / "keys.json").read_text())
        (master,) = (key for key in ring["keys"] if key["id"] == ring["account_id"])
        account = self._json(
            "-u",
            f"{master['id']}:{master['secret']}",
            "https://api.backblazeb2.com/b2api/v4/b2_authorize_account",
        )

        def call(name: str, **body: object) -> Any:
            body["accountId"] = account["accountId"]
            authorization = f"Authorization: {account['authorizationToken']}"
            url = f"{account['apiInfo']['storageApi']['apiUrl']}/b2api/v3/{name}"
            return self._json("-H", authorization, "--json", json.dumps(body), url)

        films, library = (
            call("b2_create_bucket", bucketName=name, bucketType="allPrivate")["bucketId"]
            for name in (BUCKET, LIBRARY_BUCKET)
        )
        for name, bucket, may in (
            ("plex-host", films, _READ),
            ("plex-library", library, (*_READ, *_WRITE)),
            ("laptop", films, (*_READ, *_WRITE)),
        ):
            made = call("b2_create_key", keyName=name, bucketId=bucket, capabilities=may)
            self.keys[name] = Key(made["applicationKeyId"], made["applicationKey"])

    def _json(self, *words: str) -> Any:
        done = self.world.curl("-f", *words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def fill_in(self) -> None:
        """Open the stack's file in an editor, and replace everything in <…>."""
        public_key = (self.home / ".ssh" / "id_ed25519.pub").read_text().strip()
        stack = self.clone / "Pulumi.plex.yaml"
        text = stack.read_text()
        for placeholder, value in (
            ("<your domain>", DOMAIN),
            ("<your zone>", ZONE),
            ("<your email>", f"{NAME}@{ZONE}"),
            ("<bucket name>", BUCKET),
            ("<keyID>", self.keys["plex-host"].id),
            ("<keyID for the backups>", self.keys["plex-library"].id),
            ("<release>", RELEASE),
            ("<name>", NAME),
            ("<the line in ~/.ssh/id_ed25519.pub>", public_key),
        ):
            assert placeholder in text, placeholder
            text = text.replace(placeholder, value)
        stack.write_text(text)

    @property
    def token(self) -> str:
        """The API token of Hetzner's, which the console shows once."""
        return credentials.HCLOUD_TOKEN

    def open_the_site(self) -> None:
        """Open the address in a browser until Plex answers there, with a certificate that is trusted."""
        state, url = self.world.state, f"https://{DOMAIN}"
        visit.wait_for_certificate(url, state=state)
        deadline = time.monotonic() + 120
        while not visit.claimed(url, state=state):
            assert time.monotonic() < deadline, "the site stays closed"
            time.sleep(0.5)

    def pushed(self, name: str) -> str:
        """A file as it is in the fork at GitHub."""
        bare = self.folder / "github" / "plex-on-nixos"
        done = subprocess.run(
            ["git", "--git-dir", str(bare), "show", f"main:{name}"],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout
