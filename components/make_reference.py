"""docs/configuration.md, made of Pulumi.yaml: `make docs`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

_PROJECT = Path(__file__).resolve().parent.parent
REFERENCE = _PROJECT / "docs" / "configuration.md"

_HEAD = """\
<!-- Made of Pulumi.yaml by `make docs`; a change here is lost. -->

# Configuration

Every key of a stack, with its type, its default and its meaning. They stand in `Pulumi.NAME.yaml`, which
begins as a copy of [Pulumi.prod.yaml](../Pulumi.prod.yaml); [Pulumi.yaml](../Pulumi.yaml) declares them. A
default that is changed there holds [for all stacks](fleet.md#what-all-stacks-have-in-common).

<!-- as in: docs/operations.md -->
```sh
pulumi config set timeZone Europe/Paris
pulumi config set --path 'administrators.bob[0]' "$(cat bob.pub)"
pulumi config rm --path administrators.bob
```

A secret's value is asked for, and stands encrypted in the file:

<!-- as in: docs/getting-started.md -->
```sh
pulumi config set --secret b2ApplicationKey
```

What is wrong with a value, or does not fit another, is said by the next `pulumi preview`, for all keys at
once; so is a key that is not one of these. There is one key of the provider's own beside them,
`hcloud:token`: a secret, Hetzner's API token (or the environment has it, as `HCLOUD_TOKEN`).
"""


def render(declaration: str) -> str:
    """The page.

    Args:
        declaration: the text of Pulumi.yaml. A comment above a key is the heading of what follows.
    """
    keys: dict[str, dict[str, Any]] = yaml.safe_load(declaration)["config"]
    return _HEAD + "".join(_lines(declaration.partition("\nconfig:\n")[2], keys))


def _lines(text: str, keys: dict[str, dict[str, Any]]) -> Iterator[str]:
    for heading, key in re.findall(r"^  (?:# (.+)|(\w+):)$", text, re.MULTILINE):
        if heading:
            yield f"\n## {heading}\n\n| Key | Type | Default | |\n| --- | --- | --- | --- |\n"
        else:
            yield f"| `{key}` | {_kind(keys[key])} | {_default(keys[key])} | {_meaning(keys[key])} |\n"


def _kind(key: dict[str, Any]) -> str:
    return f"{key['type']}, secret" if key.get("secret") else str(key["type"])


def _default(key: dict[str, Any]) -> str:
    if "default" not in key:
        return "**required**"
    value = key["default"]
    if value == "":
        return "empty"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _meaning(key: dict[str, Any]) -> str:
    return str(key["description"]).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    REFERENCE.write_text(render((_PROJECT / "Pulumi.yaml").read_text()))
