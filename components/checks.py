"""What a value of the configuration must look like.

Each check returns the value it was given, or raises ValueError with what is wrong and what to do.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from zoneinfo import available_timezones

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from email_validator import EmailNotValidError, validate_email
from pydantic import SecretStr

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])")
_PLACEHOLDER = re.compile(
    r"[<>…]|\byour\b|\bexample\.(?:com|org|net)$|\bchange-?me\b", re.IGNORECASE
)
_FOLDER = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
_KEY_ID = re.compile(r"[0-9a-fA-F]{12}|[0-9a-fA-F]{25}")
_RESERVED_USERS = {"root", "plex", "rclone", "nginx", "acme", "sshd", "nobody", "messagebus"}


def _no_placeholder(value: str) -> str:
    if _PLACEHOLDER.search(value):
        raise ValueError("a placeholder was left in; put your own value here")
    return value


def optional(check: Callable[[str], str]) -> Callable[[str], str]:
    """Let an empty text pass, and check any other."""
    return lambda value: check(value) if value else value


def domain(value: str) -> str:
    _no_placeholder(value)
    if len(value) > 253 or not _DOMAIN.fullmatch(value):
        raise ValueError(
            "not a domain name; give it in full and in lower case, as in plex.films.org, "
            "without https:// and without a final dot"
        )
    return value


def email(value: str) -> str:
    _no_placeholder(value)
    try:
        validate_email(value, check_deliverability=False)
    except EmailNotValidError as error:
        raise ValueError("not an email address; they look like you@films.org") from error
    return value


def token(value: str) -> str:
    if not re.fullmatch(r"\S{64}", value):
        raise ValueError("not an API token of Hetzner's; it has 64 letters and digits")
    return value


def server_type(value: str) -> str:
    if not re.fullmatch(r"[a-z]+[0-9]+", value):
        raise ValueError("not a server type; they look like cx23")
    return value


def location(value: str) -> str:
    if not re.fullmatch(r"[a-z]{3}[0-9]?", value):
        raise ValueError("not a location; they look like fsn1")
    return value


def bucket(value: str) -> str:
    _no_placeholder(value)
    if not re.fullmatch(r"[A-Za-z0-9-]{6,63}", value) or value.lower().startswith("b2-"):
        raise ValueError("not a bucket name; it has 6 to 63 letters, digits and hyphens")
    return value


def key_id(value: str) -> str:
    _no_placeholder(value)
    if not _KEY_ID.fullmatch(value):
        raise ValueError(
            "not a keyID; it has 25 hexadecimal digits (12 for an account's master key), and needs "
            "quotes in the file, where it may look like a number otherwise"
        )
    return value


def application_key(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    _no_placeholder(text)
    if _KEY_ID.fullmatch(text):
        raise ValueError("a keyID; the applicationKey is what B2 shows once, when the key is made")
    if not re.fullmatch(r"[A-Za-z0-9+/=_-]{20,64}", text):
        raise ValueError("not an application key; it has about 31 letters and digits")
    return value


def optional_application_key(value: SecretStr) -> SecretStr:
    return application_key(value) if value.get_secret_value() else value


def optional_url(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    if url and not re.fullmatch(r"https?://[!#-\[\]-~]+", url):
        raise ValueError(
            "not an address that begins with https://, and has neither spaces nor quotes"
        )
    return value


def prefix(value: str) -> str:
    if len(value) > 200 or not re.fullmatch(rf"{_FOLDER}(?:/{_FOLDER})*", value):
        raise ValueError(
            "not a folder in a bucket; letters, digits, hyphens, underscores and dots, "
            "with slashes between the folders"
        )
    return value


def release(value: str) -> str:
    if not re.fullmatch(r"[0-9]{2}\.(?:05|11)", value):
        raise ValueError('not a NixOS release; they look like "26.05"')
    return value


def host_name(value: str) -> str:
    if not re.fullmatch(_LABEL, value):
        raise ValueError("not a host name; a single word of letters, digits and hyphens")
    return value


@cache
def _time_zones() -> set[str]:
    return available_timezones() - {"Factory", "localtime"}  # which are no place's time


def time_zone(value: str) -> str:
    if value not in _time_zones():
        raise ValueError("not a time zone; they look like Europe/Berlin")
    return value


def package(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_'-]*(?:\.[A-Za-z_][A-Za-z0-9_'-]*)*", value):
        raise ValueError("not the name of a package in nixpkgs")
    return value


def window(value: str) -> str:
    time = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
    if not re.fullmatch(rf"{time}-{time}", value) or value[:5] == value[6:]:
        raise ValueError("not a window of time; they look like 03:00-05:00")
    return value


def user_name(value: str) -> str:
    _no_placeholder(value)
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,30}", value):
        raise ValueError("not a user name; lower-case letters, digits, _ and -")
    if value in _RESERVED_USERS:
        raise ValueError("that user is the system's own; choose another name")
    return value


def looks_private(value: object) -> bool:
    """Whether a value, or anything in it, is the text of a private key."""
    return bool(re.search("PRIVATE KEY|b3BlbnNzaC1rZXktdjE", str(value)))


def looks_secret(value: object) -> bool:
    """Whether a private key or an application key of B2 is in a value, in whatever place."""
    return looks_private(value) or bool(re.search("K00[0-9A-Za-z+/]{28}", str(value)))


def public_key(value: str) -> str:
    if looks_private(value):
        raise ValueError(
            "a private key; give the public one, the line in the file that ends in .pub"
        )
    _no_placeholder(value)
    if not value.strip().isprintable():
        raise ValueError("not one line of text; give each key as an item of its own")
    try:
        key = load_ssh_public_key(value.strip().encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(
            "not a public SSH key; it is one line that begins with ssh-ed25519 or the like"
        ) from error
    if isinstance(key, RSAPublicKey) and key.key_size < 2048:
        raise ValueError(
            f"an RSA key of {key.key_size} bits is too weak; make a new one by ssh-keygen"
        )
    return value.strip()


def administrators(value: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
    if not value:
        raise ValueError("at least one administrator is needed, or nobody could open the tunnel")
    for name, keys in value.items():
        if not keys:
            raise ValueError(f"{name} has no public key; add one, or take the name away")
    return value


def network(value: str) -> str:
    try:
        found = ipaddress.ip_network(value, strict=False)
    except ValueError as error:
        raise ValueError("not a network such as 198.51.100.0/24 or 2001:db8::/32") from error
    if str(found.network_address) != str(ipaddress.ip_interface(value).ip):
        raise ValueError(f"an address within a network; the network is {found}")
    return str(found)


def not_empty(value: Sequence[str]) -> Sequence[str]:
    if not value:
        raise ValueError(
            "empty; then not even `pulumi up` could connect. 0.0.0.0/0 and ::/0 are everywhere"
        )
    return value
