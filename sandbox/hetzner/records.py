"""What is kept on disk, one record a file. How a client sees them is the business of `routes/`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

AddressType = Literal["ipv4", "ipv6"]
ServerStatus = Literal[
    "initializing",
    "starting",
    "running",
    "stopping",
    "off",
    "deleting",
    "rebuilding",
    "migrating",
]


def now() -> str:
    """The present moment as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Record(BaseModel):
    """Something with an id that never comes back once it is gone."""

    model_config = ConfigDict(extra="forbid")

    id: int


class Named(Record):
    """A record that its owner names and labels."""

    created: str = Field(default_factory=now)
    name: str
    labels: dict[str, str] = {}


class SshKey(Named):
    public_key: str
    fingerprint: str


class PrimaryIp(Named):
    type: AddressType
    ip: str
    """An IPv4 address, or an IPv6 network with its /64."""
    location: str
    auto_delete: bool
    assignee_id: int | None = None
    pointers: dict[str, str] = {}
    """Reverse DNS that somebody has set: canonical address to name."""
    delete_protection: bool = False


class Rule(BaseModel):
    """One rule of a firewall, as the API takes and gives it."""

    direction: Literal["in", "out"]
    protocol: Literal["tcp", "udp", "icmp", "esp", "gre"]
    port: str | None = None
    source_ips: list[str] = []
    destination_ips: list[str] = []
    description: str | None = None


class Firewall(Named):
    rules: list[Rule] = []
    servers: list[int] = []
    """Ids of the servers that it is applied to."""


class Server(Named):
    status: ServerStatus
    has_disk: bool = False
    """False until the machine was made: a server may be created without being started."""
    server_type: str
    disk_gigabytes: int
    image_id: int
    location: str
    user_data: str
    public_keys: list[str]
    """The keys' text at creation: a key that is deleted later does not change the server."""
    backup_window: str | None = None
    delete_protection: bool = False
    rebuild_protection: bool = False


class ZoneRecord(BaseModel):
    value: str
    comment: str = ""


class Rrset(BaseModel):
    name: str
    type: str
    ttl: int | None = None
    labels: dict[str, str] = {}
    records: list[ZoneRecord]
    change_protection: bool = False

    @property
    def key(self) -> str:
        """The rrset's id, unique in its zone."""
        return f"{self.name}/{self.type}"


class Zone(Named):
    ttl: int = 3600
    delete_protection: bool = False
    rrsets: dict[str, Rrset] = {}


class Resource(BaseModel):
    """What an action is about."""

    id: int
    type: str


class ActionFailure(BaseModel):
    code: str
    message: str
    details: dict[str, str] = {}


class Action(Record):
    command: str
    status: Literal["running", "success", "error"] = "running"
    progress: int = 0
    started: str = Field(default_factory=now)
    finished: str | None = None
    resources: list[Resource]
    error: ActionFailure | None = None
