"""A stack's file as `new` writes it: small, commented, and read by every YAML as what was meant."""

from __future__ import annotations

import yaml

from fleet.stack_file import add

SALTED = "encryptionsalt: v1:x\nconfig:\n  hcloud:token:\n    secure: v1:y\n"


def test_a_value_stands_at_the_end_of_the_configuration_below_its_comment() -> None:
    text = add(SALTED, "one", "plex-on-nixos:domain", "plex.films.org", "The name.")

    assert text.startswith("# The stack one, ")
    assert text.endswith(
        "config:\n  hcloud:token:\n    secure: v1:y\n  # The name.\n  plex-on-nixos:domain: plex.films.org\n"
    )


def test_what_follows_the_configuration_stays_behind_it_and_comments_stay() -> None:
    text = "# Mine.\nconfig:\n  # And this.\n  a:b: 1\nencryptionsalt: v1:x\n"

    assert add(text, "one", "a:c", True, "C.") == (
        "# Mine.\nconfig:\n  # And this.\n  a:b: 1\n  # C.\n  a:c: true\nencryptionsalt: v1:x\n"
    )


def test_it_begins_with_nothing_or_with_an_empty_configuration() -> None:
    for text in ("", "config: {}\n", "config:\n"):
        assert yaml.safe_load(add(text, "one", "a:b", "c", "B.")) == {"config": {"a:b": "c"}}


def test_every_kind_of_value_is_read_as_it_was_given() -> None:
    text = ""
    values = {
        "a:number": "000512345678901234567890e",
        "a:octal": "0777",
        "a:yes": "yes",
        "a:colon": "b: c # d",
        "a:flag": False,
        "a:people": {"alice": ["ssh-ed25519 AAAA alice@laptop"]},
        "a:long": "word " * 60 + "end",
    }
    for key, value in values.items():
        text = add(text, "one", key, value, "A comment. " * 20)

    assert yaml.safe_load(text)["config"] == values
    # To others than Python's, 0005…e is a number unless it is quoted.
    assert 'a:number: "000512345678901234567890e"' in text
