"""What the documents point at exists: files, headings, tests, keys of the configuration."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from components.ports import open_ports
from tests.e2e.installation.document import commands, difference
from tests.stack import REPO

DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "sandbox/**/*.md")
    for path in REPO.glob(pattern)
    if not path.is_relative_to(REPO / ".sandbox")
)
NAMES = [str(path.relative_to(REPO)) for path in DOCUMENTS]
_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
# Written by `make pins` and by the reader, in the reader's own clone.
_MADE_LATER = {"nix/pins.local.json"}


def anchors(document: Path) -> set[str]:
    """What GitHub makes of a document's headings."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def prose_and_code(document: Path) -> tuple[str, str]:
    text = document.read_text()
    return _CODE.sub("", text), "\n".join(_CODE.findall(text))


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_files_and_tests_that_are_named_exist(document: Path) -> None:
    _, code = prose_and_code(document)
    for path, test in re.findall(
        r"`((?:components|nix|sandbox|tests|docs)/[\w./-]+)(?:::(\w+))?`", code
    ):
        assert path in _MADE_LATER or (REPO / path).exists(), path
        assert not test or f"def {test}(" in (REPO / path).read_text(), test


def test_the_article_page_has_the_table_of_ports() -> None:
    text = (REPO / "docs/article.md").read_text()
    section = text.partition("\n## Ports\n")[2].partition("\n## ")[0]
    written = set(re.findall(r"\b(TCP|UDP) (\d+)|\b(ICMP)\b", section))

    table = {
        ("", "", "ICMP") if port.number is None else (port.protocol.upper(), str(port.number), "")
        for port in open_ports(lan=True)
    }
    assert written == table | {("TCP", "32400", "")}, "which is never open"


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_keys_that_are_set_exist(document: Path) -> None:
    known = set(yaml.safe_load((REPO / "Pulumi.yaml").read_text())["config"]) | {"hcloud:token"}
    _, code = prose_and_code(document)
    indented = re.findall(r"^ {4,}(pulumi .+)$", document.read_text(), re.MULTILINE)
    for line in "\n".join([code, *indented]).splitlines():
        for key in re.findall(r"pulumi config [sg]et(?: --\w+)* '?([\w:-]+)", line):
            assert key.removeprefix("plex-on-nixos:") in known, line


def test_every_key_is_in_the_stack_to_copy() -> None:
    declared = yaml.safe_load((REPO / "Pulumi.yaml").read_text())["config"]
    shown = (REPO / "Pulumi.prod.yaml").read_text()
    for key, declaration in declared.items():
        by_command = declaration.get("secret") or f"config set --secret {key}\n" in shown
        assert by_command or f"plex-on-nixos:{key}:" in shown, key


def test_commands_are_read_with_what_they_print(tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    document.write_text("```console\n$ one\n1\n$ two\n```\n\n```sh\n$ other\n```\n")
    found = [(each.line, each.text, each.printed) for each in commands(document)]
    assert found == [(2, "one", ["1"]), (4, "two", [])]


@pytest.mark.parametrize(
    ("documented", "printed", "wrong"),
    [
        (["a", "b"], ["a", "", "b  "], None),
        (["a", "…", "z"], ["a", "b", "c", "z"], None),
        (["a", "…", "z"], ["a", "z"], None),
        (["…", "a", "…", "a"], ["a", "b", "a"], None),
        (["took … s"], ["took 14 s"], None),
        (["a"], ["a", "b"], "it also prints 'b'"),
        (["a", "b"], ["a"], "it does not print 'b' there"),
        (["b", "…", "a"], ["a", "b"], "it does not print 'b' there"),
        (["a.c"], ["abc"], "it does not print 'a.c' there"),
        ([], ["warning"], "it also prints 'warning'"),
    ],
)
def test_what_is_printed_is_compared_line_by_line(
    documented: list[str], printed: list[str], wrong: str | None
) -> None:
    assert difference(documented, printed) == wrong
