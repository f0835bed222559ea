"""Preferences.xml: one element whose attributes are the server's settings."""

from __future__ import annotations

import os
import secrets
import tempfile
import uuid
from pathlib import Path
from xml.etree import ElementTree

_CLAIM = ("PlexOnlineToken", "PlexOnlineUsername", "PlexOnlineMail", "PlexOnlineHome")


class Preferences:
    """The server's settings on disk. What somebody else wrote into the file stays in it."""

    def __init__(self, path: Path) -> None:
        """Opens the file, and makes it with a new identity if it is not there."""
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        attributes = self._read()
        made = {
            "MachineIdentifier": str(uuid.uuid4()),
            "ProcessedMachineIdentifier": secrets.token_hex(20),
            "AnonymousMachineIdentifier": str(uuid.uuid4()),
        }
        missing = {name: value for name, value in made.items() if name not in attributes}
        if missing:
            self._write(attributes | missing)

    @property
    def identifier(self) -> str:
        """What the server calls itself, 40 hexadecimal digits."""
        return self._read()["ProcessedMachineIdentifier"]

    @property
    def token(self) -> str:
        """The owner's token; empty while nobody owns the server."""
        return self._read().get("PlexOnlineToken", "")

    def claim(self) -> None:
        """Gives the server an owner."""
        owner = {
            "PlexOnlineToken": secrets.token_urlsafe(15),
            "PlexOnlineUsername": "owner",
            "PlexOnlineMail": "owner@films.sandbox",
            "PlexOnlineHome": "0",
        }
        self._write(self._read() | owner | {"AcceptedEULA": "1"})

    def unclaim(self) -> None:
        """Takes the owner away."""
        kept = {name: value for name, value in self._read().items() if name not in _CLAIM}
        self._write(kept)

    def _read(self) -> dict[str, str]:
        if not self._path.exists():
            return {}
        return dict(ElementTree.parse(self._path).getroot().attrib)  # noqa: S314 - our own file

    def _write(self, attributes: dict[str, str]) -> None:
        """Whole or not at all, and readable by the server's user alone."""
        element = ElementTree.Element("Preferences", attributes)
        with tempfile.NamedTemporaryFile(dir=self._path.parent, delete=False) as file:
            file.write(ElementTree.tostring(element, encoding="utf-8", xml_declaration=True))
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(self._path)
