"""What the documents point at exists: files, headings, tests, keys of the configuration."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from components.ports import open_ports
from tests.e2e.installation.document import Block, Command, blocks, commands, difference
from tests.e2e.installation.guides import FOLLOWED, GUIDES
from tests.stack import REPO

DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "sandbox/**/*.md")
    for path in REPO.glob(pattern)
    if not path.is_relative_to(REPO / ".sandbox")
)
NAMES = [str(path.relative_to(REPO)) for path in DOCUMENTS]
_BLOCKS = [block for document in DOCUMENTS for block in blocks(document)]
_BLOCK_NAMES = [f"{block.document.relative_to(REPO)}:{block.line}" for block in _BLOCKS]
# What people put their own names in the place of.
_NAMES = {"alice", "bob", "plex", "first", "second", "third", "answers", "python", "pulumi", "sudo"}
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


_UNTRIED = re.compile(r"nobody (can try|has tried)|not tried|nobody has walked|not this project's")


def claims() -> list[str]:
    """What docs/security.md claims: a row of a table, or how one kind of key is changed."""
    text = (REPO / "docs/security.md").read_text()
    rows = re.findall(r"^\| .* \|$", text, re.MULTILINE)
    headings = {row for row, line in pairwise(rows) if set(line) <= set("|- ")}
    changes = text.partition("## To change each")[2].partition("\n## ")[0].split("\n### ")[1:]
    return [row for row in rows if row not in headings and not set(row) <= set("|- ")] + changes


@pytest.mark.parametrize("claim", claims(), ids=lambda claim: claim.splitlines()[0][:50])
def test_each_claim_about_security_names_what_holds_it(claim: str) -> None:
    held_by = claim.split(" | ")[-1] if claim.startswith("|") else claim
    named = re.search(r"`tests/[\w./-]+::\w+`|^the same\b|by the same test", held_by)
    elsewhere = re.search(r"as above|go on with the next", held_by)
    assert named or elsewhere or _UNTRIED.search(held_by.lower()), held_by


def test_the_article_page_has_the_table_of_ports() -> None:
    text = (REPO / "docs/article.md").read_text()
    section = text.partition("\n## Ports\n")[2].partition("\n## ")[0]
    written = set(re.findall(r"\b(TCP|UDP) (\d+)|\b(ICMP)\b", section))

    table = {
        ("", "", "ICMP") if port.number is None else (port.protocol.upper(), str(port.number), "")
        for port in open_ports(lan=True, http3=True)
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


def own_words(command: Command) -> set[str]:
    """The words of a command that whoever runs it cannot do without: its own, and its options."""
    _, *words = command.words
    words = [re.split(r"[\[=]", word)[0].strip("'") for word in words]
    return {word for word in words if re.fullmatch(r"-{0,2}[a-z][A-Za-z-]+", word)} - _NAMES


def sources(name: str) -> str:
    """A test, with what lies beside it and above it for it."""
    path = REPO / name
    helpers = [*path.parent.glob("conftest.py"), *path.parent.parent.glob("*.py")]
    return "\n".join(file.read_text() for file in [path, *helpers])


@pytest.mark.parametrize("block", _BLOCKS, ids=_BLOCK_NAMES)
def test_every_command_is_run_by_a_test_or_says_why_not(block: Block) -> None:
    assert block.marked, "put `<!-- run by: tests/… -->` or `<!-- not run: the reason -->` above it"
    if block.tests == [FOLLOWED]:
        assert block.document.name in GUIDES, "the blocks of those are what it runs"
    elif block.tests:
        text = ""
        for each in block.tests:
            name, _, test = each.partition("::")
            text += sources(name)
            assert not test or f"def {test}(" in text
        for command in block.commands:
            missing = [
                word for word in own_words(command) if not re.search(rf"(?<![\w-]){word}\b", text)
            ]
            assert not missing, f"it is not run there: {command.text}"
    elif block.marked[0] == "as in":
        known = [other.words for same in blocks(REPO / block.marked[1]) for other in same.commands]
        assert [command.text for command in block.commands if command.words not in known] == []


def test_marks_are_read(tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    document.write_text(
        "<!-- run by: all.py -->\n# Title\n\n    pulumi up  # yes\n    reboot\n\ntext\n\n"
        "    error: no command\n\n<!-- not run: why -->\n```sh\n$(x)\n```\n\n"
        "<!-- as in: a.md -->\n\ntext\n\n```console\n$ a\n```\n"
    )
    found = [(each.line, each.marked, [c.text for c in each.commands]) for each in blocks(document)]
    assert found == [
        (4, ("run by", "all.py"), ["pulumi up  # yes", "reboot"]),
        (12, ("not run", "why"), ["$(x)"]),
        (20, ("run by", "all.py"), ["a"]),
    ]


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
