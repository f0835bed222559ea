"""Values get into a file of `nix/` through a filter, and cannot break out of their place."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
import pytest

from components import rendering
from components.rendering import NIX, to_nix

TEMPLATES = sorted(NIX.glob("*.j2"))


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-5, "(-5)"),
        (2**63 - 1, "9223372036854775807"),
        ("", '""'),
        ("Europe/Berlin", '"Europe/Berlin"'),
        ('say "no"', r'"say \"no\""'),
        ("${builtins.abort}", r'"\${builtins.abort}"'),
        ("$${x}", r'"\$\${x}"'),
        ("''${x}''", "\"''\\${x}''\""),
        ("C:\\temp", r'"C:\\temp"'),
        ("a\nb\tc\rd", r'"a\nb\tc\rd"'),
        ("Größe 𝄞", '"Größe 𝄞"'),
        ([], "[ ]"),
        (("a", -1, [True]), '[ "a" (-1) [ true ] ]'),
        ({}, "{ }"),
        ({"a": 1, "b-c'd": 2}, "{ a = 1; b-c'd = 2; }"),
        ({"in": 1, "1a": 2, "a.b": 3, "": 4}, '{ "in" = 1; "1a" = 2; "a.b" = 3; "" = 4; }'),
        ({"${x}": {"y": None}}, r'{ "\${x}" = { y = null; }; }'),
    ],
)
def test_a_value_as_a_nix_literal(value: object, literal: str) -> None:
    assert to_nix(value) == literal


@pytest.mark.parametrize("value", [1.5, b"x", {1, 2}, object(), {1: "a"}, {None: 1}, [1.0]])
def test_a_value_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        to_nix(value)


@pytest.mark.parametrize("value", ["a\0b", "\ud800", 2**63, -(2**63), ["\0"], {"\0": 1}])
def test_a_value_that_nix_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"NUL|surrogates|does not fit"):
        to_nix(value)


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A template that `rendering.render` finds as t.nix.j2."""
    monkeypatch.setattr(rendering._ENVIRONMENT, "loader", jinja2.FileSystemLoader(tmp_path))
    return tmp_path / "t.nix.j2"


@pytest.mark.parametrize("bare", ["{{ a }}", "{{ a ~ 'b' }}", "{{ 5 }}", "{{ a | upper }}"])
def test_a_value_without_the_filter_is_an_error(template: Path, bare: str) -> None:
    template.write_text(bare)

    with pytest.raises(TypeError, match=r"reached a template without `\| nix`"):
        rendering.render("t.nix.j2", {"a": "text"})


@pytest.mark.parametrize("filtered", ["{{ a | nix }}", "{{ a | yaml }}", "{{ a.b | nix }}"])
def test_an_undefined_value_is_an_error_that_names_it(template: Path, filtered: str) -> None:
    template.write_text(filtered)

    with pytest.raises(jinja2.UndefinedError, match="'a' is undefined"):
        rendering.render("t.nix.j2", {})


def test_text_around_a_value_stays_as_it_is(template: Path) -> None:
    template.write_text("{\n  a = {{ a | nix }};\n}\n")

    assert rendering.render("t.nix.j2", {"a": "}; evil = {"}) == '{\n  a = "}; evil = {";\n}\n'


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_takes_each_value_through_one_filter_in_a_place_of_its_own(path: Path) -> None:
    filtered = "yaml" if path.name.startswith("cloud-init") else "nix"
    for line in path.read_text().splitlines():
        for value in re.findall(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", line):
            assert re.fullmatch(rf"\{{\{{ \w+ \| {filtered} \}}\}}", value), line
        if filtered == "nix" and "{{" in line:
            # Inside a string, a literal would not be one.
            assert re.fullmatch(r" *[\w.]+ = \{\{.*\}\};( #.*)?", line), line
