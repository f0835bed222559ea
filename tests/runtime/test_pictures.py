"""The documents' pictures are as the files are that they are made of."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.stack import REPO


def shown(svg: str) -> list[str]:
    """What a picture shows, without where: names of boxes and arrows, and their texts."""
    tags = ("{http://www.w3.org/2000/svg}title", "{http://www.w3.org/2000/svg}text")
    return [each.text or "" for each in ElementTree.fromstring(svg).iter() if each.tag in tags]


@pytest.mark.parametrize(
    "source", sorted((REPO / "docs").glob("*.dot")), ids=lambda path: path.name
)
def test_the_picture_is_the_one_that_its_source_describes(source: Path) -> None:
    drawn = subprocess.run(["dot", "-Tsvg", source], capture_output=True, text=True, check=True)

    # Another version of graphviz lays it out in another way.
    assert shown(source.with_suffix(".svg").read_text()) == shown(drawn.stdout), "run `make docs`"
