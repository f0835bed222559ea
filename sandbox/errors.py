"""What ends a command of the sandbox with a sentence instead of a traceback."""

from __future__ import annotations


class SandboxError(Exception):
    """Something that the person at the keyboard can do something about. The message says what."""
