"""The logs of what is alive, such as the consoles of machines, for the report of a test that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

Files = Callable[[], Iterable[Path]]

_LINES = 40
_ALIVE: list[Files] = []


@contextmanager
def told(files: Files) -> Iterator[None]:
    """Let the tests that fail within the block have the ends of these files in their reports.

    Args:
        files: gives those that there are at that time; ones that are missing do not matter.
    """
    _ALIVE.append(files)
    try:
        yield
    except BaseException as error:
        # Whoever made it takes it away before there is a report.
        for title, text in _ends([files]):
            error.add_note(f"--- {title}\n{text}")
        raise
    finally:
        _ALIVE.remove(files)


def sections() -> list[tuple[str, str]]:
    """Titles and texts of what is alive."""
    return list(_ends(_ALIVE))


def _ends(alive: Iterable[Files]) -> Iterator[tuple[str, str]]:
    for files in alive:
        for path in files():
            if path.is_file():
                lines = path.read_text(errors="replace").splitlines()[-_LINES:]
                yield f"the end of {path}", "\n".join(lines)
