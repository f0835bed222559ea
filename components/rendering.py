"""Templates into text. A value gets into a Nix file through the `nix` filter and in no other way."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2

NIX = Path(__file__).resolve().parent.parent / "nix"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_'-]*")
_KEYWORDS = {"assert", "else", "if", "in", "inherit", "let", "or", "rec", "then", "with"}
_ESCAPES = {"\\": "\\\\", '"': '\\"', "$": "\\$", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def to_nix(value: object) -> str:
    """A Python value as a Nix literal that no value can break out of.

    None, booleans, integers, strings, lists or tuples, and mappings with string keys are taken.

    Raises:
        TypeError: for any other type.
        ValueError: for a string that Nix cannot hold (with a NUL or a lone surrogate), or an integer
            beyond 64 bits.
    """
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return _integer(value)
        case str():
            return _string(value)
        case Mapping():
            pairs = (f"{_attribute(key)} = {to_nix(item)};" for key, item in value.items())
            return " ".join(["{", *pairs, "}"])
        case Sequence() if not isinstance(value, (bytes, bytearray, memoryview)):
            return " ".join(["[", *(to_nix(item) for item in value), "]"])
        case _:
            raise TypeError(f"no Nix literal for {type(value).__name__}")


def _integer(value: int) -> str:
    if not -(2**63) < value < 2**63:
        raise ValueError(f"{value} does not fit a Nix integer")
    return str(value) if value >= 0 else f"({value})"


def _string(value: str) -> str:
    if "\0" in value:
        raise ValueError("a Nix string cannot hold a NUL")
    value.encode()  # a lone surrogate is a UnicodeEncodeError, and so a ValueError
    return '"' + "".join(_ESCAPES.get(character, character) for character in value) + '"'


def _attribute(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"an attribute's name is a string, not {type(key).__name__}")
    return key if _NAME.fullmatch(key) and key not in _KEYWORDS else _string(key)


def _refuse_bare(value: object) -> str:
    """Jinja calls this for every `{{ … }}`: what did not go through the filter is a bug in a template."""
    if not isinstance(value, _Literal):
        raise TypeError(
            f"a value of type {type(value).__name__} reached a template without `| nix`"
        )
    return str(value)


def _defined(value: object) -> object:
    if isinstance(value, jinja2.Undefined):
        str(value)  # raises, and names it
    return value


class _Literal(str):
    """Text that is a Nix literal already."""

    __slots__ = ()


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(NIX),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - nothing here is HTML; the filters quote
        finalize=_refuse_bare,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["nix"] = lambda value: _Literal(to_nix(_defined(value)))
    # JSON is YAML; only cloud-init.yaml.j2 uses it.
    environment.filters["yaml"] = lambda value: _Literal(json.dumps(_defined(value)))
    return environment


_ENVIRONMENT = _environment()


def render(template: str, values: Mapping[str, object]) -> str:
    """Fill in a template from `nix/`, named as in `nginx.nix.j2`.

    Raises:
        jinja2.UndefinedError: the template uses a value that is not given.
        TypeError: it uses one without a filter.
    """
    return _ENVIRONMENT.get_template(template).render(values)
