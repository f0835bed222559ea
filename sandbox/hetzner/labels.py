"""Labels: what may stand in them, and the selectors that ask for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from .errors import invalid

Test = Callable[[Mapping[str, str]], bool]

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_PREFIX = r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
_KEY = re.compile(rf"(?:{_PREFIX}/)?{_NAME}")
_RESERVED = "hetzner.cloud/"
_VALUE = re.compile(rf"(?:{_NAME})?")
# A comma inside the brackets of "key in (a,b)" does not end the term.
_TERMS = re.compile(r",(?![^(]*\))")
_SET = re.compile(r"(?P<key>\S+)\s+(?P<word>in|notin)\s+\((?P<values>[^)]*)\)")
_COMPARED = re.compile(r"(?P<key>[^=!\s]+)\s*(?P<sign>==|=|!=)\s*(?P<value>\S*)")
_BARE = re.compile(r"(?P<negated>!?)(?P<key>[^=!\s()]+)")


def check(labels: Mapping[str, str]) -> None:
    """Refuse labels that the API refuses. Raises ApiError."""
    for key, value in labels.items():
        if key.startswith(_RESERVED):
            raise invalid("labels", f"label key '{key}': the prefix '{_RESERVED}' is reserved")
        if not _KEY.fullmatch(key):
            raise invalid("labels", f"label key '{key}' is not correctly formatted")
        if not _VALUE.fullmatch(value):
            raise invalid("labels", f"label value '{value}' of '{key}' is not correctly formatted")


def selector(text: str) -> Test:
    """The test that labels pass if they satisfy every term. Raises ApiError if it cannot be read."""
    terms = [_term(term.strip()) for term in _TERMS.split(text)]
    return lambda labels: all(term(labels) for term in terms)


def _term(term: str) -> Test:
    if found := _SET.fullmatch(term):
        key, inside = found["key"], found["word"] == "in"
        values = {value.strip() for value in found["values"].split(",")}
        return lambda labels: (labels.get(key) in values) == inside
    if found := _COMPARED.fullmatch(term):
        key, value, equal = found["key"], found["value"], found["sign"] != "!="
        return lambda labels: (labels.get(key) == value) == equal
    if found := _BARE.fullmatch(term):
        key, present = found["key"], not found["negated"]
        return lambda labels: (key in labels) == present
    raise invalid("label_selector", f"cannot be read: '{term}'")
