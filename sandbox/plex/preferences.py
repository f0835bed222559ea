"""Preferences.xml: one element whose attributes are the server's settings."""

from __future__ import annotations

import secrets
import threading
import uuid
from pathlib import Path
from xml.etree import ElementTree

_CLAIM = ("PlexOnlineToken", "PlexOnlineUsername", "PlexOnlineMail", "PlexOnlineHome")


class UnreadableError(Exception):
    """The file is there, and is empty, cut short or something else."""


class Preferences:
    """The server's settings. They are read once; what is not its own among them stays."""

    def __init__(self, path: Path) -> None:
        """Opens the file, and makes it with a new identity if it is not there.

        Raises:
            UnreadableError: it is not what this class writes.
        """
        self._path = path
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._attributes = self._read()
        made = {
            "MachineIdentifier": str(uuid.uuid4()),
            "ProcessedMachineIdentifier": secrets.token_hex(20),
            "AnonymousMachineIdentifier": str(uuid.uuid4()),
        }
        missing = {name: value for name, value in made.items() if name not in self._attributes}
        if missing:
            self._write(self._attributes | missing)

    @property
    def identifier(self) -> str:
        """What the server calls itself, 40 hexadecimal digits."""
        return self._attributes["ProcessedMachineIdentifier"]

    @property
    def token(self) -> str:
        """The owner's token; empty while nobody owns the server."""
        return self._attributes.get("PlexOnlineToken", "")

    def claim(self) -> None:
        """Gives the server an owner."""
        owner = {
            "PlexOnlineToken": secrets.token_urlsafe(15),
            "PlexOnlineUsername": "owner",
            "PlexOnlineMail": "owner@films.sandbox",
            "PlexOnlineHome": "0",
        }
        self._write(self._attributes | owner | {"AcceptedEULA": "1"})

    def unclaim(self) -> None:
        """Takes the owner away."""
        kept = {name: value for name, value in self._attributes.items() if name not in _CLAIM}
        self._write(kept)

    def _read(self) -> dict[str, str]:
        try:
            return dict(ElementTree.parse(self._path).getroot().attrib)  # noqa: S314 - our own file
        except FileNotFoundError:
            return {}
        except ElementTree.ParseError as error:
            raise UnreadableError(f"{self._path}: {error}") from error

    def _write(self, attributes: dict[str, str]) -> None:
        """In place, and not synced: who reads just then, or a power cut, finds it empty or cut."""
        element = ElementTree.Element("Preferences", attributes)
        text = ElementTree.tostring(element, encoding="utf-8", xml_declaration=True)
        with self._lock:
            self._path.touch(0o600)
            self._path.write_bytes(text)
            self._attributes = attributes
