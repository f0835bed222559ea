"""A stack's Pulumi.NAME.yaml as text: short, and with a comment for each value."""

from __future__ import annotations

import json
import textwrap

import yaml

_WIDTH = 100
_INDENT = "  "


def add(text: str, name: str, key: str, value: object, comment: str) -> str:
    """The text with one more value at the end of its configuration, which does not have the key yet.

    Args:
        text: of the file; may be empty.
        name: the stack's.
        key: with its namespace.
        value: of any type that YAML has.
        comment: what stands above it.
    """
    lines = [line if line.strip() != "config: {}" else "config:" for line in text.splitlines()]
    if "config:" not in lines:
        lines = ["config:", *lines]
    if not text.startswith("#"):
        lines = [*_header(name), *lines]
    begin = lines.index("config:") + 1
    # Up to the next line that is not indented.
    end = next(
        (number for number, line in enumerate(lines) if number >= begin and line[:1].strip()),
        len(lines),
    )
    added = textwrap.wrap(comment, _WIDTH, initial_indent="# ", subsequent_indent="# ")
    added += _entry(key, value)
    return "\n".join([*lines[:end], *(_INDENT + line for line in added), *lines[end:], ""])


def _header(name: str) -> list[str]:
    return [
        f"# The stack {name}, which `python -m fleet new {name}` asks for, and again to change it.",
        "# What is not here is as Pulumi.yaml has it, which describes every key.",
    ]


def _entry(key: str, value: object) -> list[str]:
    # What begins with a digit might be taken for a number, by one reader of YAML or another.
    if isinstance(value, str) and value[:1].isdigit():
        return [f"{key}: {json.dumps(value)}"]
    return yaml.safe_dump({key: value}, allow_unicode=True, width=1000).splitlines()
