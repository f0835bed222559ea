"""The types of NixOS's options as its manual says them, in words, and what is wrong with a value for one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Value = dict[str, Any]
"""A value as what_is_set.nix shows it: its `kind`, and its `value` where that has an end."""


@dataclass
class Option:
    """A place in the table of options: an option, with its type, or what lies above some."""

    type: str | None = None
    below: dict[str, Option] = field(default_factory=dict)

    def child(self, name: str) -> Option | None:
        return self.below.get(name) or self.below.get("<name>")


class Type:
    """What an option takes."""

    words: str

    def faults(self, value: Value, option: Option, path: str) -> list[str]:
        """What is wrong with a value, a line for each fault. None is well."""
        raise NotImplementedError

    def refused(self, value: Value, path: str) -> list[str]:
        return [f"{path}: {_said(value)} is no {self.words}"]


@dataclass
class Plain(Type):
    words: str
    takes: Callable[[Value], bool]

    def faults(self, value: Value, option: Option, path: str) -> list[str]:
        return [] if self.takes(value) else self.refused(value, path)


@dataclass
class ListOf(Type):
    words: str
    item: Type

    def faults(self, value: Value, option: Option, path: str) -> list[str]:
        if value["kind"] != "list":
            return self.refused(value, path)
        below = option.below.get("*", Option())
        return [
            fault
            for number, item in enumerate(value["value"], 1)
            for fault in self.item.faults(item, below, f"{path}.{number}")
        ]


@dataclass
class SetOf(Type):
    words: str
    item: Type

    def faults(self, value: Value, option: Option, path: str) -> list[str]:
        if value["kind"] != "set":
            return self.refused(value, path)
        return [
            fault
            for name, values in value["value"].items()
            for one in values
            for fault in self.item.faults(one, option.child(name) or Option(), f"{path}.{name}")
        ]


@dataclass
class Submodule(Type):
    """Options below this one; with `freeform`, any others too, of that type."""

    words: str
    freeform: Type | None = None

    def faults(self, value: Value, option: Option, path: str) -> list[str]:
        if value["kind"] != "set":
            return self.refused(value, path)
        found = []
        for name, values in value["value"].items():
            below = option.child(name)
            for one in values:
                if below is not None:
                    found += set_at(below, one, f"{path}.{name}".lstrip("."))
                elif self.freeform is None:
                    found.append(f"{path}.{name}: there is no such option".lstrip("."))
                else:
                    alone: Value = {"kind": "set", "value": {name: [one]}}
                    found += self.freeform.faults(alone, Option(), path)
        return found


@dataclass
class Either(Type):
    words: str
    types: Sequence[Type]

    def faults(self, value: Value, option: Option, path: str) -> list[str]:
        each = [one.faults(value, option, path) for one in self.types]
        if [] in each:
            return []
        # The one that speaks of a place further inside is the one that was meant.
        inside = [faults for faults in each if not faults[0].startswith(f"{path}:")]
        return inside[0] if inside else self.refused(value, path)


def set_at(option: Option, value: Value, path: str = "") -> list[str]:
    """What is wrong with a value at its place among the options, a line for each fault."""
    kind = read(option.type or "submodule")
    return kind.faults(value, option, path)


def read(words: str) -> Type:
    """A type that is described in words.

    Raises:
        ValueError: in words that are not understood here: teach them, below.
    """
    kind, rest = _either(words)
    if rest:
        raise ValueError(f"not understood at the end of the type {words!r}: {rest!r}")
    return kind


def _said(value: Value) -> str:
    shown = value.get("value")
    return f"a {value['kind']}" if isinstance(shown, (dict, list)) else repr(shown)


def _either(words: str) -> tuple[Type, str]:
    kinds, rest = [], f" or {words}"
    while rest.startswith(" or "):
        kind, rest = _one(rest.removeprefix(" or "))
        kinds.append(kind)
        rest = rest.removeprefix(" convertible to it")
    whole = words.removesuffix(rest)
    return (kinds[0] if len(kinds) == 1 else Either(whole, kinds)), rest


def _one(words: str) -> tuple[Type, str]:
    for start, plain in _PLAIN:
        if found := re.match(start, words):
            return Plain(found[0], plain(*found.groups())), words[found.end() :]
    for start, wrapped in _WRAPPED.items():
        if words.startswith(start):
            kind, rest = _either(words.removeprefix(start))
            return wrapped(words.removesuffix(rest), kind), rest
    if words.startswith("submodule"):
        return Submodule("submodule"), words.removeprefix("submodule")
    if words.startswith("("):
        kind, rest = _either(words[1:])
        if rest.startswith(")"):
            return kind, rest[1:]
    raise ValueError(f"the type {words!r} is not understood here")


def _of_kind(*kinds: str) -> Callable[[], Callable[[Value], bool]]:
    return lambda: lambda value: value["kind"] in kinds


def _between(first: str, last: str) -> Callable[[Value], bool]:
    return lambda value: value["kind"] == "int" and int(first) <= value["value"] <= int(last)


def _matching(pattern: str) -> Callable[[Value], bool]:
    for posix, characters in {"[:alnum:]": "A-Za-z0-9", "[:digit:]": "0-9"}.items():
        pattern = pattern.replace(posix, characters)
    return lambda value: value["kind"] == "string" and bool(re.fullmatch(pattern, value["value"]))


def _one_of(words: str) -> Callable[[Value], bool]:
    known = {"false": False, "true": True, "<null>": None}
    atoms = [known.get(atom, atom.strip("“”")) for atom in words.split(", ")]
    return lambda value: value.get("value", ...) in atoms


def _text(wrong: str) -> Callable[[], Callable[[Value], bool]]:
    return lambda: lambda value: value["kind"] == "string" and not re.search(wrong, value["value"])


def _path() -> Callable[[Value], bool]:
    return lambda value: (
        value["kind"] in {"path", "package"}
        or (value["kind"] == "string" and value["value"].startswith("/"))
    )


_ATOM = ("null", "bool", "int", "float", "string")
_ANYTHING = ("set", "list", "path", "package", "raw", "function", *_ATOM)
# The longer ones first, where one begins like another.
_PLAIN: list[tuple[str, Callable[..., Callable[[Value], bool]]]] = [
    ("boolean", _of_kind("bool")),
    ("null", _of_kind("null")),
    (r"\d+ bit unsigned integer; between (\d+) and (\d+) \(both inclusive\)", _between),
    (r"integer between (\d+) and (\d+) \(both inclusive\)", _between),
    ("signed integer", _of_kind("int")),
    ("unsigned integer, meaning >=0", lambda: _between("0", str(2**63))),
    (
        r"\(?nonnegative integer or floating point number, meaning >=0\)?|floating point number",
        _of_kind("int", "float"),
    ),
    ("positive integer, meaning >0", lambda: _between("1", str(2**63))),
    ("string matching the pattern (.*)", _matching),
    (r"string \(with check: non-empty without trailing slash\)", _text(r"^\s*$|./$")),
    (r"string \(with check: non-empty\)", _text(r"^\s*$")),
    ("string, not containing newlines or colons", _text("[\n:]")),
    ("string without spaces", _text(" ")),
    ("string, with spaces inside double quotes", _of_kind("string")),
    (r"\(optionally newline-terminated\) single-line string", _text(r"\n.")),
    ('strings? concatenated with (?:“.*?”|".*?")', _of_kind("string")),
    ("string", _of_kind("string")),
    (r"\(?absolute path, not containing newlines or colons\)?", _path),
    ("absolute path", _path),
    ("package|ibus-engine", _of_kind("package")),
    ("file mode string", _of_kind("string")),
    (r"one of ((?:“[^”]*”|false|true|<null>)(?:, (?:“[^”]*”|false|true|<null>))*)", _one_of),
    (r"value (“.*?”) \(singular enum\)", _one_of),
    (r"\(systemd option\)", _of_kind(*_ANYTHING[:4], "raw", *_ATOM)),
    (r"\(sysctl option value\)", _of_kind("null", "bool", "int", "string")),
    (r"\(atom \(null, bool, int, float or string\)\)", _of_kind(*_ATOM)),
    (r"Nix config atom \([^)]*\)", _of_kind("path", "package", *_ATOM)),
    ("(?:nested attribute set of )?null or sysfs attribute values", _of_kind(*_ANYTHING)),
    (r"section of an INI file \(attrs of [^)]*\)[^)]*\)", _of_kind("set")),
    (r"nixpkgs config|attribute set(?! of)", _of_kind("set")),
    (r"\(nixpkgs overlay\)", _of_kind("function")),
    ("path in the Nix store", _of_kind("package", "path")),
    ("anything|unspecified value|raw value|YAML 1.1 value", _of_kind(*_ANYTHING)),
]
_WRAPPED: dict[str, Callable[[str, Type], Type]] = {
    "list of ": ListOf,
    "attribute set of ": SetOf,
    "lazy attribute set of ": SetOf,
    "non-empty ": lambda _, kind: kind,
    "open submodule of ": Submodule,
}
