"""`python -m sandbox.toolchain`: build everything and say where it is."""

from __future__ import annotations

import sys

from rich.console import Console

from ..errors import SandboxError
from ..paths import CACHE
from . import ensure


def main() -> int:
    """The command's exit status."""
    console = Console(soft_wrap=True, markup=False, highlight=False)
    try:
        ensure(console.print)
    except SandboxError as error:
        Console(stderr=True, soft_wrap=True, markup=False, highlight=False).print(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    console.print(f"The toolchain is ready in {CACHE / 'toolchain'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
