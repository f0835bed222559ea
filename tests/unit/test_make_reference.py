"""The page of all keys is as the file is that it is made of."""

from __future__ import annotations

import yaml

from components.make_reference import REFERENCE, render
from tests.stack import REPO

_DECLARED = (REPO / "Pulumi.yaml").read_text()


def test_the_page_of_keys_is_what_make_docs_makes() -> None:
    assert REFERENCE.read_text() == render(_DECLARED), "run `make docs`"


def test_every_key_is_on_it_once_below_a_heading() -> None:
    keys = list(yaml.safe_load(_DECLARED)["config"])
    page = REFERENCE.read_text().partition("\n## ")[2]

    assert [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")] == keys


def test_a_key_is_shown_with_what_it_needs() -> None:
    page = render(
        "name: it\nconfig:\n  # Heading\n  one:\n    type: string\n    description: A | or <b>.\n"
        "  two:\n    type: array\n    default: [a, b]\n    description: Two.\n"
        '  three:\n    type: string\n    secret: true\n    description: "Three."\n'
        '  four:\n    type: string\n    default: ""\n    description: Four.\n'
    )
    assert page.endswith(
        "\n## Heading\n\n| Key | Type | Default | |\n| --- | --- | --- | --- |\n"
        "| `one` | string | **required** | A \\| or &lt;b>. |\n"
        '| `two` | array | `["a", "b"]` | Two. |\n'
        "| `three` | string, secret | **required** | Three. |\n"
        "| `four` | string | empty | Four. |\n"
    )
