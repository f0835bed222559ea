"""One of the stack's SSH keys as the host keeps it, out of what `pulumi stack export --show-secrets` prints.

For who changes such a key: the new one has to get there over a connection that something else still opens.
docs/security.md has the commands.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from components.identity import private_text, public_text

_KEYS = {"deploy": public_text, "host": private_text}


def main(arguments: list[str]) -> int:
    """Print the deploy key's line for the host, or the host key itself; the state is on the input."""
    if len(arguments) != 1 or arguments[0] not in _KEYS:
        sys.stderr.write(f"ssh-key: which one? KEY={' or KEY='.join(_KEYS)}\n")
        return 2
    (name,) = arguments
    try:
        seed = _seed(json.load(sys.stdin)["deployment"]["resources"], name)
    except (ValueError, KeyError, TypeError):
        # Which words of it are none, nobody shall read on a terminal.
        sys.stderr.write("ssh-key: that is not what pulumi stack export --show-secrets prints\n")
        return 1
    sys.stdout.write(_KEYS[name](seed).rstrip("\n") + "\n")
    return 0


def _seed(resources: list[dict[str, Any]], name: str) -> str:
    """The random bytes of the identity `<stack>-<name>`, in base64."""
    for each in resources:
        stack, *_, called = each["urn"].removeprefix("urn:pulumi:").split("::")
        if each["type"] == "random:index/randomBytes:RandomBytes" and called == f"{stack}-{name}":
            return str(json.loads(each["outputs"]["base64"]["plaintext"]))
    raise KeyError(name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
