"""What a new stack needs, asked one question at a time; each answer is tried where it can be."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from components import architecture, checks, pins, settings
from components.pins import Pins, PinsError
from components.settings import ConfigurationError
from fleet import backblaze, stack_file, stacks
from fleet.errors import FleetError
from fleet.hetzner import Project
from fleet.questions import Questions

_HETZNER = "https://api.hetzner.cloud/v1"
_YES = {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}


def run(name: str, folder: Path = stacks.FOLDER) -> None:
    """Ask, and write down each answer as soon as it is known to do.

    Raises:
        FleetError: it cannot go on. What was answered before is kept.
    """
    questions = Questions()
    stack = _Stack(stacks.new_name(name), folder, questions)
    try:
        _release(stack)
    except PinsError as error:
        questions.say(f"{error}\nDo that first, or in another terminal before the last question.\n")
    stack.begin()
    project = _hetzner(stack)
    _domain(stack, project)
    _server(stack, project)
    stack.plain("acmeEmail", checks.email)
    _administrators(stack)
    _films(stack)
    _backups(stack)
    _nixos(stack)
    stack.check()
    questions.say(f"\nWritten: {stack.path}. Next: python -m fleet preview {name}")


class _Stack:
    """A stack that is being described: what is known of it, and how an answer gets into its file."""

    def __init__(self, name: str, folder: Path, questions: Questions) -> None:
        self.name = name
        self.path = stacks.configuration_file(name, folder)
        self.folder = folder
        self.questions = questions
        project = yaml.safe_load((folder / "Pulumi.yaml").read_text())
        self._declared: dict[str, Any] = project["config"]

    @property
    def _content(self) -> dict[str, Any]:
        content = yaml.safe_load(self.path.read_text()) if self.path.exists() else None
        return content if isinstance(content, dict) else {}

    def begin(self) -> None:
        """Make the stack, unless Pulumi has it, with the provider of its secrets."""
        provider = []
        if {"encryptionsalt", "secretsprovider"} & self._content.keys():
            stacks.unlock([self.name], self.folder)
        else:
            chosen = self.questions.ask(
                "secretsProvider: what encrypts the secrets in the file and in the state: passphrase, "
                "default (Pulumi Cloud), or a key such as awskms://…, azurekeyvault://…, gcpkms://…, "
                "hashivault://…",
                _provider,
                default="passphrase",
            )
            if chosen == "passphrase":
                self._passphrase()
            provider = ["--secrets-provider", chosen]
        try:
            self._pulumi("stack", "init", self.name, "--no-select", *provider)
        except FleetError as error:
            if "already exists" not in str(error):
                raise

    def get(self, key: str) -> Any:
        """What the file has, or else Pulumi.yaml for all stacks; None where neither has it."""
        own = (self._content.get("config") or {}).get(_full(key))
        return self._shared(key) if own is None else own

    def secret(self, key: str) -> str:
        """A secret that the file has; empty where it has none."""
        if self.get(key) in (None, ""):
            return ""
        return self._pulumi("config", "get", _full(key), "--stack", self.name).rstrip("\n")

    def put(self, key: str, value: object) -> None:
        """Write a value down. One that is Pulumi.yaml's for all stacks does not stand in the file."""
        full, config = _full(key), self._content.get("config") or {}
        if config.get(full) == value:
            return
        if full in config:
            self._pulumi("config", "rm", full, "--stack", self.name)
        if value == self._shared(key):
            return
        text = self.path.read_text() if self.path.exists() else ""
        self.path.write_text(stack_file.add(text, self.name, full, value, self.describe(key)))

    def put_secret(self, key: str, value: str) -> None:
        """Store a secret encrypted. It is handed over on the standard input."""
        words = ("config", "set", "--secret", _full(key), "--stack", self.name)
        self._pulumi(*words, given=value)

    def describe(self, key: str) -> str:
        """A key's description in Pulumi.yaml, its first sentence."""
        text = str(self._declared[key]["description"])
        return text.partition(". ")[0].rstrip(".") + "."

    def question(self, key: str) -> str:
        """The question for a key."""
        return f"{key}: {self.describe(key).rstrip('.')}"

    def plain(self, key: str, check: Callable[[str], str], *, default: str = "") -> str:
        """Ask for a text, and write it down."""
        had = self.get(key)
        value = self.questions.ask(self.question(key), check, default=str(had or default))
        self.put(key, value)
        return value

    def flag(self, key: str) -> bool:
        """Ask for a yes or a no, and write it down."""
        default = "yes" if self.get(key) else "no"
        value = self.questions.ask(self.question(key), _yes_or_no, default=default)
        self.put(key, value)
        return value

    def check(self) -> None:
        """Hold all of it against what the program takes.

        Raises:
            FleetError: there is a fault.
        """
        shared = {_full(key): self._shared(key) for key in self._declared}
        config = {key: value for key, value in shared.items() if value is not None}
        config |= self._content.get("config") or {}
        secrets = {key for key, value in config.items() if _is_secret(value)}
        texts = {
            key: self.secret(key.removeprefix(f"{settings.PROJECT}:"))
            if key in secrets
            else _text(value)
            for key, value in config.items()
        }
        try:
            settings.parse(texts, secrets)
        except ConfigurationError as error:
            raise FleetError(f"{self.path.name}: {error}") from error

    def _shared(self, key: str) -> Any:
        """What Pulumi.yaml has for all stacks: a default, or a value of a provider's own."""
        declared = self._declared.get(key)
        if not isinstance(declared, dict):
            return declared
        return declared.get("value", declared.get("default"))

    def _passphrase(self) -> None:
        if {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"} & os.environ.keys():
            return

        def typed() -> str:
            passphrase = self.questions.ask("passphrase, a long one", str, secret=True)
            if self.questions.ask("passphrase, once more", str, secret=True) != passphrase:
                raise ValueError("these were two")
            return passphrase

        os.environ["PULUMI_CONFIG_PASSPHRASE"] = self.questions.until(typed, "passphrase")

    def _pulumi(self, *words: str, given: str = "") -> str:
        try:
            done = subprocess.run(
                ["pulumi", "--non-interactive", *words],
                cwd=self.folder,
                input=given,
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError as error:
            raise FleetError(f"pulumi cannot be used: {error}") from error
        if done.returncode != 0:
            said = done.stderr.strip().removeprefix("error: ")
            raise FleetError(f"pulumi {' '.join(words[:2])}: {said}")
        return done.stdout


def _hetzner(stack: _Stack) -> Project:
    endpoint = stack.get("hcloud:endpoint") or _HETZNER

    def connect(token: str) -> tuple[str, Project]:
        return token, Project(token, endpoint)

    had = stack.secret("hcloud:token") or os.environ.get("HCLOUD_TOKEN", "")
    again = "; Enter keeps the one that is there" if had else ""
    token, project = stack.questions.ask(
        f"hcloud:token: an API token of the project at Hetzner, with the permission Read & Write{again}",
        connect,
        default=had,
        secret=True,
    )
    if token != had:
        stack.put_secret("hcloud:token", token)
    return project


def _domain(stack: _Stack, project: Project) -> None:
    dns = stack.plain("dns", _one_of(("hetzner", "external")))
    zone = ""
    if dns == "hetzner":
        zones = stack.questions.until(project.zones, "dnsZone")
        stack.questions.say(f"  zones in this project: {', '.join(zones) or 'none'}")
        # The first of them, if it is the only one.
        zone = stack.plain("dnsZone", _one_of(zones), default=zones[0] if len(zones) == 1 else "")

    def fits(text: str) -> str:
        domain = checks.domain(text)
        if zone and not f".{domain}".endswith(f".{zone}"):
            raise ValueError(f"it does not lie in {zone}")
        other = _has_domain(stack, domain)
        if other:
            raise ValueError(f"that is the domain of the stack {other}")
        return domain

    stack.plain("domain", fits, default=f"{stack.name}.{zone}" if zone else "")


def _server(stack: _Stack, project: Project) -> None:
    places = ", ".join(f"{name} ({city})" for name, city in sorted(project.locations.items()))
    stack.questions.say(f"  locations: {places}")
    location = stack.plain("location", _one_of(project.locations))
    cache = int(stack.get("cacheGigabytes"))
    fit = stack.questions.until(lambda: project.fit(location, cache), "serverType")
    stack.questions.say(f"  what would do in {location}, and can be had today:")
    for name, text in fit.items():
        stack.questions.say(f"    {name}: {text}")

    def does(text: str) -> str:
        fault = project.unfit(checks.server_type(text), location, cache)
        if fault is not None:
            raise ValueError(fault)
        return text

    had = str(stack.get("serverType"))
    value = stack.questions.ask(
        stack.question("serverType"), does, default=had if had in fit else next(iter(fit), had)
    )
    stack.put("serverType", value)


def _administrators(stack: _Stack) -> None:
    had: dict[str, list[str]] = stack.get("administrators") or {}
    user = getpass.getuser()
    name = stack.questions.ask(
        stack.question("administrators") + "; a name first",
        checks.user_name,
        default=next(iter(had), "" if user == "root" else user),
    )
    keys = had.get(name, [])
    key = stack.questions.ask(
        f"administrators.{name}: the public key, or the file with it",
        _public_key,
        default=keys[0] if keys else _own_public_key(),
    )
    stack.put("administrators", {**had, name: [key, *keys[1:]]})


def _films(stack: _Stack) -> None:
    bucket = stack.plain("b2Bucket", checks.bucket)
    needs = backblaze.READ if stack.get("mediaReadOnly") else backblaze.WRITE
    _key(stack, "b2KeyId", "b2ApplicationKey", bucket, needs)


def _backups(stack: _Stack) -> None:
    if not stack.flag("libraryBackup"):
        return
    library = f"{stack.get('b2Bucket')}-library"
    bucket = stack.questions.ask(
        stack.question("backupBucket"), checks.bucket, default=stack.get("backupBucket") or library
    )
    stack.put("backupBucket", "" if bucket == library else bucket)
    folder = f"{stack.get('backupPrefix') or stack.name}/"
    _key(stack, "backupKeyId", "backupApplicationKey", bucket, backblaze.WRITE, folder)


def _key(
    stack: _Stack,
    id_name: str,
    secret_name: str,
    bucket: str,
    needs: Sequence[str],
    folder: str = "",
) -> None:
    """Ask for both parts of an application key, and Backblaze what it may do."""

    def attempt() -> tuple[str, str]:
        key_id = stack.questions.ask(
            stack.question(id_name), checks.key_id, default=str(stack.get(id_name) or "")
        )
        had = stack.secret(secret_name)
        again = "; Enter keeps the one that is there" if had else ""
        secret = stack.questions.ask(
            f"{secret_name}: its applicationKey{again}", _application_key, default=had, secret=True
        )
        found = backblaze.key(key_id, secret, bucket)
        fault = backblaze.lacks(found, bucket, needs, folder)
        if fault:
            raise ValueError(fault)
        stack.questions.say(f"  it may {', '.join(found.capabilities)}")
        more = [each for each in ("writeFiles", "deleteFiles") if each in found.capabilities]
        if needs == backblaze.READ and more:
            stack.questions.say(
                "  It need only read. Whoever breaks into the server could delete the films with it: a key "
                "of the type Read Only is safer."
            )
        return key_id, secret

    key_id, secret = stack.questions.until(attempt, id_name)
    stack.put(id_name, key_id)
    if secret != stack.secret(secret_name):
        stack.put_secret(secret_name, secret)


def _release(stack: _Stack) -> str:
    """The release that the stack has, or the newest one with a pin.

    Raises:
        PinsError: something that the stack takes has no pin yet.
    """
    local = settings.ROOT / str(stack.get("pins"))
    try:
        release = checks.release(str(stack.get("nixosRelease")))
    except ValueError:  # empty, or what a copy of Pulumi.prod.yaml has to be filled in
        release = pins.read(local).newest_release or ""
    if not release:
        raise PinsError("pins: no release has a pin yet; run `make pins`")
    Pins.load(release, architecture.of(str(stack.get("serverType"))), local)
    return release


def _nixos(stack: _Stack) -> None:
    try:
        release = _release(stack)
    except PinsError as error:
        raise FleetError(f"{error}. Then run this again, which keeps the answers") from error
    stack.put("nixosRelease", release)
    stack.questions.say(f"  nixosRelease: {release}")


def _has_domain(stack: _Stack, domain: str) -> str | None:
    for name in stacks.present(stack.folder):
        content = yaml.safe_load(stacks.configuration_file(name, stack.folder).read_text()) or {}
        if name != stack.name and (content.get("config") or {}).get(_full("domain")) == domain:
            return name
    return None


def _full(key: str) -> str:
    return key if ":" in key else f"{settings.PROJECT}:{key}"


def _is_secret(value: object) -> bool:
    return isinstance(value, dict) and "secure" in value


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _provider(text: str) -> str:
    if text not in {"passphrase", "default"} and "://" not in text:
        raise ValueError("neither passphrase, nor default, nor the address of a key")
    return text


def _yes_or_no(text: str) -> bool:
    if text.lower() not in _YES:
        raise ValueError("neither yes nor no")
    return _YES[text.lower()]


def _one_of(known: Sequence[str] | dict[str, str]) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in known:
            raise ValueError(f"{text or 'nothing'} is none of {', '.join(known) or 'none'}")
        return text

    return check


def _application_key(text: str) -> str:
    return checks.application_key(SecretStr(text)).get_secret_value()


def _public_key(text: str) -> str:
    path = Path(text).expanduser()
    if text and len(text) < 200 and path.is_file():
        text = path.read_text()
    return checks.public_key(text)


def _own_public_key() -> str:
    found = sorted(Path.home().glob(".ssh/*.pub"))
    return str(found[0]) if found else ""
