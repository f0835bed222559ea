"""Labels: what may stand in them, and the selectors that ask for them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .errors import invalid

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_PREFIX = r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
_KEY = re.compile(rf"(?:{_PREFIX}/)?{_NAME}")
_VALUE = re.compile(rf"(?:{_NAME})?")
# A comma inside the brackets of "key in (a,b)" does not end the term.
_TERMS = re.compile(r",(?![^(]*\))")
_SET = re.compile(r"(?P<key>\S+)\s+(?P<word>in|notin)\s+\((?P<values>[^)]*)\)")
_COMPARED = re.compile(r"(?P<key>[^=!\s]+)\s*(?P<sign>==|=|!=)\s*(?P<value>\S*)")
_BARE = re.compile(r"(?P<negated>!?)(?P<key>[^=!\s()]+)")


def check(labels: Mapping[str, str]) -> None:
    """Refuse labels that the API refuses. Raises ApiError."""
    for key, value in labels.items():
        if not _KEY.fullmatch(key):
            raise invalid("labels", f"label key '{key}' is not correctly formatted")
        if not _VALUE.fullmatch(value):
            raise invalid("labels", f"label value '{value}' of '{key}' is not correctly formatted")


def matches(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether labels satisfy every term of a selector. Raises ApiError if it cannot be read."""
    return all(_term(term.strip(), labels) for term in _TERMS.split(selector))


def _term(term: str, labels: Mapping[str, str]) -> bool:
    if found := _SET.fullmatch(term):
        values = {value.strip() for value in found["values"].split(",")}
        return (labels.get(found["key"]) in values) == (found["word"] == "in")
    if found := _COMPARED.fullmatch(term):
        return (labels.get(found["key"]) == found["value"]) == (found["sign"] != "!=")
    if found := _BARE.fullmatch(term):
        return (found["key"] in labels) == (not found["negated"])
    raise invalid("label_selector", f"cannot be read: '{term}'")
