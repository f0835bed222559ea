"""Gixy-Next, by which nixpkgs checks each nginx.conf that it builds. Debian has none: machines get ours."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from sandbox.machine import tree

_PLACE = Path("usr/lib/sandbox/gixy")
# What it imports, all of it plain Python. Jinja2, idna and requests come with Debian's cloud-init; Debian's
# certifi reads /etc, which no build sees while NixOS is installed.
_PACKAGES = (
    *("gixy", "crossplane", "configargparse"),
    *("tldextract", "requests_file", "filelock", "certifi"),
)
_PROGRAM = f"""#!/usr/bin/python3 -I
import sys

sys.path.insert(0, "/{_PLACE}")
from gixy.cli.main import main

sys.exit(main())
"""


def bring(root: Path) -> None:
    """Put this environment's Gixy-Next into the tree at `root`, as /usr/local/bin/gixy.

    Raises:
        ModuleNotFoundError: this environment lacks one of its parts.
    """
    for name in _PACKAGES:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"Gixy-Next needs {name}, which requirements-dev.txt has")
        origin = Path(spec.origin)
        if origin.name != "__init__.py":
            tree.write(root / _PLACE / origin.name, origin.read_bytes(), 0o644, root)
            continue
        for source in sorted(origin.parent.rglob("*")):
            if source.is_file() and "__pycache__" not in source.parts:
                target = root / _PLACE / source.relative_to(origin.parent.parent)
                tree.write(target, source.read_bytes(), 0o644, root)
    tree.write(root / "usr/local/bin/gixy", _PROGRAM, 0o755, root)
