"""The stack's configuration as one typed, frozen object.

Values come from `Pulumi.<stack>.yaml`; types, defaults and descriptions stand in `Pulumi.yaml`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import pulumi
import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from components import architecture, checks
from components.architecture import Architecture
from components.pins import Pins, PinsError

PROJECT = "plex-on-nixos"
ROOT = Path(__file__).resolve().parent.parent


class ConfigurationError(pulumi.RunError):
    """The stack's configuration is wrong. The message has one line for each fault."""

    def __init__(self, faults: Iterable[str]) -> None:
        lines = list(faults)
        count = "1 fault" if len(lines) == 1 else f"{len(lines)} faults"
        super().__init__(
            f"{count} in the stack's configuration; nothing has been changed.\n"
            + "\n".join(f"  {line}" for line in lines)
        )


class Settings(BaseModel):
    """Everything a stack decides, checked. The keys are described in `Pulumi.yaml`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, ignored_types=(cached_property,)
    )

    domain: Annotated[str, AfterValidator(checks.domain)]
    acme_email: Annotated[str, AfterValidator(checks.email)]
    acme_staging: bool
    hsts_whole_zone: bool

    server_type: Annotated[str, AfterValidator(checks.server_type)]
    location: Annotated[str, AfterValidator(checks.location)]
    backups: bool
    protect: bool

    dns: Literal["hetzner", "external"]
    dns_zone: Annotated[str, AfterValidator(checks.optional(checks.domain))]

    b2_bucket: Annotated[str, AfterValidator(checks.bucket)]
    b2_key_id: Annotated[str, AfterValidator(checks.key_id)]
    b2_application_key: Annotated[SecretStr, AfterValidator(checks.application_key)]

    library_backup: bool
    backup_bucket: Annotated[str, AfterValidator(checks.optional(checks.bucket))]
    backup_prefix: Annotated[str, AfterValidator(checks.optional(checks.prefix))]
    backup_key_id: Annotated[str, AfterValidator(checks.optional(checks.key_id))]
    backup_application_key: Annotated[SecretStr, AfterValidator(checks.optional_application_key)]

    notify_url: Annotated[SecretStr, AfterValidator(checks.optional_url)]

    plex_audiobooks: bool
    plex_lan_ports: bool
    http3: bool

    cache_gigabytes: Annotated[int, Field(ge=0, le=10_000)]
    media_read_only: bool
    refresh_minutes: Annotated[int, Field(ge=0, le=1440)]

    nixos_release: Annotated[str, AfterValidator(checks.optional(checks.release))]
    pins: str
    host_name: Annotated[str, AfterValidator(checks.host_name)]
    time_zone: Annotated[str, AfterValidator(checks.time_zone)]
    packages: tuple[Annotated[str, AfterValidator(checks.package)], ...]
    auto_upgrade: bool
    auto_upgrade_window: Annotated[str, AfterValidator(checks.window)]
    auto_upgrade_reboot: bool

    administrators: Annotated[
        dict[
            Annotated[str, AfterValidator(checks.user_name)],
            tuple[Annotated[str, AfterValidator(checks.public_key)], ...],
        ],
        AfterValidator(checks.administrators),
    ]
    ssh_networks: Annotated[
        tuple[Annotated[str, AfterValidator(checks.network)], ...],
        AfterValidator(checks.not_empty),
    ]
    acknowledge_seconds: Annotated[int, Field(ge=10, le=3600)]

    @cached_property
    def architecture(self) -> Architecture:
        """The server's, told by the name of its type."""
        return architecture.of(self.server_type)

    @cached_property
    def library_bucket(self) -> str:
        """Where the backups of the library go."""
        return self.backup_bucket or _library_bucket(self.b2_bucket)

    @cached_property
    def pinned(self) -> Pins:
        """What the release is pinned to, and the installer."""
        return Pins.load(self.nixos_release, self.architecture, ROOT / self.pins)


def load() -> Settings:
    """Read and check the configuration of the stack that runs.

    Raises:
        ConfigurationError: with every fault that can be seen, each with its key and the value received.
    """
    config: Mapping[str, str] = pulumi.runtime.config.CONFIG.get()
    secrets = {key for key in config if pulumi.runtime.is_config_secret(key)}
    return parse(config, secrets)


def parse(config: Mapping[str, str], secrets: Iterable[str]) -> Settings:
    """Check a stack's configuration as Pulumi hands it over.

    Args:
        config: every key with its namespace, the values as text or as JSON.
        secrets: the keys among them that are stored encrypted.

    Raises:
        ConfigurationError: with every fault that can be seen, each with its key and the value received.
    """
    types = _declared_types()
    raw: dict[str, object] = {}
    faults: list[str] = []
    for name, text in config.items():
        namespace, key = name.split(":", 1)
        if namespace == PROJECT and key not in types:
            faults.append(f"{_part(key)}: unknown key{_nearest(key, types)}")
        elif namespace == PROJECT:
            raw[key] = text if types[key] == "string" else _from_json(text)
        elif namespace not in _PROVIDERS:
            faults.append(f"{name}: unknown namespace{_nearest(namespace, [PROJECT, *_PROVIDERS])}")
    settings: Settings | None = None
    wrong: set[str] = set()
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        for fault in error.errors():
            key = str(fault["loc"][0])
            wrong.add(key)
            faults.append(_line(fault, raw.get(key)))
    good = {key: value for key, value in raw.items() if key not in wrong}
    faults += _across(good)
    faults += _token(config)
    faults += _stored_in_the_clear(config, set(secrets))
    if {"nixosRelease", "pins", "serverType"} <= good.keys() and good["nixosRelease"]:
        release, local = str(good["nixosRelease"]), ROOT / str(good["pins"])
        try:
            Pins.load(release, architecture.of(str(good["serverType"])), local)
        except PinsError as error:
            faults.append(str(error))
    if faults or settings is None:
        raise ConfigurationError(faults)
    return settings


_PROVIDERS = ("hcloud", "command", "random", "pulumi")
_IN_OUR_WORDS = {
    "bool_parsing": "neither true nor false",
    "dict_type": "not a table; write each name on a line of its own, with a colon",
    "int_parsing": "not a whole number",
    "int_from_float": "not a whole number",
    "string_type": "not a text; put it in quotes",
    "tuple_type": "not a list; write each item on a line of its own, after a hyphen",
}
_SECRET_KEYS = (
    f"{PROJECT}:b2ApplicationKey",
    f"{PROJECT}:backupApplicationKey",
    f"{PROJECT}:notifyUrl",
    "hcloud:token",
)
_LONGEST_BUCKET = 63


def _library_bucket(media_bucket: str) -> str:
    return f"{media_bucket}-library"


def _declared_types() -> dict[str, str]:
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    # A provider's values for all stacks may stand there too, and have no type.
    return {
        key: declaration["type"] for key, declaration in project["config"].items() if ":" not in key
    }


def _nearest(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _from_json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text  # and its type is wrong


def _line(fault: ErrorDetails, received: object) -> str:
    """One fault's line. A value is shown only if nothing in its key's value may be a secret."""
    key, *rest = (str(part) for part in fault["loc"] if part != "[key]")
    if fault["type"] == "missing":
        secret = "--secret " if f"{PROJECT}:{key}" in _SECRET_KEYS else ""
        return f"{key}: missing; set it with `pulumi config set {secret}{key} …`"
    reason = _IN_OUR_WORDS.get(fault["type"]) or fault["msg"].removeprefix("Value error, ")
    if f"{PROJECT}:{key}" in _SECRET_KEYS or checks.looks_secret(received):
        return f"{key}: {reason} (the value is not shown)"
    where = ".".join([key, *map(_part, rest)])
    return f"{where}: {reason}; got {_shown(fault['input'])}"


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if text.isprintable() else json.dumps(value, default=str)


def _part(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name) else _shown(name)


def _across(raw: Mapping[str, object]) -> list[str]:
    """Faults that take two keys to see, and what is missing that Pulumi.yaml leaves empty."""
    faults: list[str] = []
    domain, zone = raw.get("domain"), raw.get("dnsZone")
    if raw.get("dns") == "hetzner" and zone == "":
        faults.append(
            "dnsZone: missing; name the zone at Hetzner in which the domain lies, "
            "or set dns to external"
        )
    elif (
        raw.get("dns") == "hetzner"
        and isinstance(domain, str)
        and isinstance(zone, str)
        and not f".{domain}".endswith(f".{zone}")
    ):
        faults.append(f'domain: "{domain}" does not lie in dnsZone "{zone}"')
    if raw.get("nixosRelease") == "":
        faults.append(
            "nixosRelease: missing; run `make pins`, which pins the newest stable release, and then the "
            "`pulumi config set nixosRelease …` that it prints"
        )
    return faults + (_backups(raw) if raw.get("libraryBackup") is True else [])


def _backups(raw: Mapping[str, object]) -> list[str]:
    """Faults of what the library's backups take."""
    faults: list[str] = []
    media, bucket, key_id = raw.get("b2Bucket"), raw.get("backupBucket"), raw.get("backupKeyId")
    if bucket == "" and isinstance(media, str):
        bucket = _library_bucket(media)
        if len(bucket) > _LONGEST_BUCKET:
            faults.append(
                f"backupBucket: missing; {bucket} has {len(bucket)} characters, and a bucket's name "
                f"{_LONGEST_BUCKET} at most, so name another one"
            )
    place = f"the bucket {bucket}" if bucket else "the bucket of the backups"
    otherwise = "or set libraryBackup to false, and the library goes with the server"
    if key_id == "":
        faults.append(
            f"backupKeyId: missing; make a key that may read and write {place}, and set its keyID "
            f"with `pulumi config set backupKeyId …`; {otherwise}"
        )
    elif key_id is not None and key_id == raw.get("b2KeyId"):
        faults.append(
            f"backupKeyId: the same as b2KeyId; make a key of its own that may read and write {place}"
        )
    if raw.get("backupApplicationKey") == "":
        faults.append(
            "backupApplicationKey: missing; set that of backupKeyId's key with "
            f"`pulumi config set --secret backupApplicationKey`; {otherwise}"
        )
    return faults


def _token(config: Mapping[str, str]) -> list[str]:
    token = config.get("hcloud:token") or os.environ.get("HCLOUD_TOKEN")
    if not token:
        return ["hcloud:token: missing; set it with `pulumi config set --secret hcloud:token`"]
    try:
        checks.token(token)
    except ValueError as error:
        return [f"hcloud:token: {error} (the value is not shown)"]
    return []


def _stored_in_the_clear(config: Mapping[str, str], secrets: set[str]) -> list[str]:
    return [
        f"{name.removeprefix(PROJECT + ':')}: stored in the clear; "
        f"take it back, and set it with `pulumi config set --secret {name}`"
        for name in _SECRET_KEYS
        if config.get(name) and name not in secrets
    ]
