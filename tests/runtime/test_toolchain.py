"""What the toolchain does with its cache, with Go modules small enough to be built here."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox import toolchain
from sandbox.paths import CACHE, REPO
from sandbox.toolchain.golang import GO, Workshop
from sandbox.toolchain.prepare import Preparation, ToolchainError
from sandbox.toolchain.store import Store
from sandbox.toolchain.tool import Tool


def _tool(build: Callable[[Workshop, Path], None]) -> Tool:
    return Tool(name="hello", version="1.0.0", files=("hello",), build=build, sources=("hello",))


def _build(workshop: Workshop, out: Path) -> None:
    workshop.build("./hello", out / "hello", variables="main.text=built")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    sources = tmp_path / "sources"
    (sources / "hello").mkdir(parents=True)
    (sources / "go.mod").write_text("module example.test\n\ngo 1.21\n")
    (sources / "go.sum").touch()
    (sources / "hello" / "main.go").write_text(
        "package main\n\nvar text string\n\nfunc main() { println(text) }\n"
    )
    # The compiled standard library is taken from where the real builds leave it; modules are not.
    compiled = CACHE / "toolchain" / "go" / "build"
    compiled.mkdir(parents=True, exist_ok=True)
    cache = tmp_path / "cache"
    (cache / "go").mkdir(parents=True)
    (cache / "go" / "build").symlink_to(compiled)
    return Store(cache, sources)


def _entries(store: Store) -> list[str]:
    return sorted(
        path.name for path in store.root.iterdir() if path.name not in ("go", "lock", "logs")
    )


def test_a_second_run_builds_nothing(store: Store) -> None:
    said: list[str] = []
    tool = _tool(_build)
    Preparation(store, said.append).run([tool])
    done = subprocess.run([store.entry(tool) / "hello"], capture_output=True, text=True)
    assert done.stderr == "built\n"
    assert said[0] == "hello 1.0.0: building, which may take minutes"
    assert said[1].startswith("hello 1.0.0: built in ")

    before = (store.entry(tool) / "hello").stat()
    Preparation(store, said.append).run([tool])
    assert (store.entry(tool) / "hello").stat() == before
    assert len(said) == 2


def test_the_computers_go_is_not_asked(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "bin" / "go"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\necho 'another Go was asked' >&2\nexit 1\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{other.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("GOROOT", str(tmp_path))
    # Nor what is set for it: this would be programs for another computer.
    (tmp_path / "env").write_text("GOARCH=riscv64\n")
    monkeypatch.setenv("GOENV", str(tmp_path / "env"))
    monkeypatch.setenv("GOOS", "windows")
    monkeypatch.setenv("GOFLAGS", "-tags=ours")
    tool = _tool(_build)
    Preparation(store, print).run([tool])
    done = subprocess.run([store.entry(tool) / "hello"], capture_output=True, text=True, check=True)
    assert done.stderr == "built\n"


def test_changed_sources_are_built_anew(store: Store) -> None:
    tool = _tool(_build)
    Preparation(store, print).run([tool])
    (store.sources / "hello" / "main.go").write_text(
        "package main\n\nvar text string\n\nfunc main() {}\n"
    )
    assert not store.has(tool)


def test_a_failed_build_names_its_step_and_leaves_nothing(store: Store) -> None:
    (store.sources / "hello" / "main.go").write_text("package main\n\nfunc main() { oops() }\n")
    with pytest.raises(ToolchainError) as failed:
        Preparation(store, print).run([_tool(_build)])
    log = store.root / "logs" / "hello.log"
    assert str(failed.value).splitlines() == [
        "hello 1.0.0 could not be built: “go build ./hello” failed:",
        "    # example.test/hello",
        "    hello/main.go:3:15: undefined: oops",
        f"The whole log: {log}",
    ]
    assert "undefined: oops" in log.read_text()
    assert _entries(store) == []


def test_a_run_that_was_killed_is_taken_up(store: Store) -> None:
    def killed(workshop: Workshop, out: Path) -> None:
        _build(workshop, out)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Preparation(store, print).run([_tool(killed)])
    (store.root / ".unfinished-of-a-run-that-had-no-time-to-tidy").mkdir()

    Preparation(store, print).run([_tool(_build)])
    assert _entries(store) == [store.entry(_tool(_build)).name]


def test_two_runs_build_once(store: Store) -> None:
    built: list[Path] = []

    def build(workshop: Workshop, out: Path) -> None:
        _build(workshop, out)
        built.append(out)

    with ThreadPoolExecutor(2) as runs:
        list(runs.map(lambda _: Preparation(store, print).run([_tool(build)]), range(2)))
    assert len(built) == 1


def _module(folder: Path, content: str) -> None:
    """A proxy for Go modules that has one, example.test/dep v1.0.0."""
    versions = folder / "example.test" / "dep" / "@v"
    versions.mkdir(parents=True)
    (versions / "v1.0.0.info").write_text('{"Version": "v1.0.0"}')
    (versions / "v1.0.0.mod").write_text("module example.test/dep\n")
    with zipfile.ZipFile(versions / "v1.0.0.zip", "w") as archive:
        archive.writestr("example.test/dep@v1.0.0/go.mod", "module example.test/dep\n")
        archive.writestr("example.test/dep@v1.0.0/dep.go", f"package dep\n\n{content}\n")


def test_a_module_that_is_not_the_one_of_our_sum_is_refused(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _module(tmp_path / "proxy", "func Harm() {}")
    monkeypatch.setenv("GOPROXY", (tmp_path / "proxy").as_uri())
    # Whoever trusts no checksum database is protected all the same.
    monkeypatch.setenv("GOSUMDB", "off")
    sum_of_another = f"h1:{base64.b64encode(bytes(32)).decode()}"
    (store.sources / "go.mod").write_text(
        "module example.test\n\ngo 1.21\n\nrequire example.test/dep v1.0.0\n"
    )
    (store.sources / "go.sum").write_text(
        f"example.test/dep v1.0.0 {sum_of_another}\nexample.test/dep v1.0.0/go.mod {sum_of_another}\n"
    )
    (store.sources / "hello" / "main.go").write_text(
        'package main\n\nimport "example.test/dep"\n\nfunc main() { dep.Harm() }\n'
    )
    with pytest.raises(ToolchainError, match="checksum mismatch"):
        Preparation(store, print).run([_tool(_build)])
    assert _entries(store) == []


def test_every_program_was_built_here_by_our_go() -> None:
    toolchain.ensure(print)
    found = toolchain.locations()
    programs = [found.pulumi, found.bin / "pulumi-language-python", *found.plugins.values()]
    programs += [found.rclone, found.pebble, found.challenge_server, found.actionlint]
    ours = subprocess.run([GO, "version"], check=True, capture_output=True, text=True).stdout
    told = subprocess.run([GO, "version", *programs], check=True, capture_output=True, text=True)
    assert [line.rsplit(": ", 1)[1] for line in told.stdout.splitlines()] == [
        ours.split()[2] for _ in programs
    ]


def test_once_it_is_there_nothing_is_made() -> None:
    toolchain.ensure(print)
    command = [sys.executable, "-m", "sandbox.toolchain"]
    said = subprocess.run(command, cwd=REPO, check=True, capture_output=True, text=True).stdout
    assert said == f"The toolchain is ready in {CACHE / 'toolchain'}\n"
