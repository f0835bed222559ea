"""Which file names B2 takes."""

from __future__ import annotations

from sandbox.b2.errors import bad_request


def check_file_name(name: str) -> str:
    """The name itself. Raises B2Error for one that B2 refuses."""
    faults = {
        "File names must not be empty": not name,
        "File name too long in utf8": len(name.encode()) > 1024,
        "File names must not start with '/'": name.startswith("/"),
        "File names must not end with '/'": name.endswith("/"),
        "File names must not contain '//'": "//" in name,
        "File names must not contain '\\'": "\\" in name,
        "File names must not contain control characters": any(
            ord(character) < 32 or ord(character) == 127 for character in name
        ),
    }
    for message, wrong in faults.items():
        if wrong:
            raise bad_request(message)
    return name
