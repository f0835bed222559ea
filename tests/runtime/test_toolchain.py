"""What the toolchain does with its cache, with Go modules small enough to be built here."""

from __future__ import annotations

import io
import os
import re
import socket
import subprocess
import sys
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from sandbox import toolchain
from sandbox.paths import CACHE, REPO
from sandbox.toolchain.download import Downloads
from sandbox.toolchain.golang import Workshop
from sandbox.toolchain.prepare import Preparation, ToolchainError
from sandbox.toolchain.store import Store
from sandbox.toolchain.tool import Tool
from tests.runtime.serving import served
from tests.runtime.sshd import free_port


def _tool(build: Callable[[Workshop, Path], None]) -> Tool:
    return Tool(
        name="hello", version="1.0.0", files=("hello",), build=build, urls=("",), sources=("hello",)
    )


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
    # The compiled standard library is taken from where the real builds leave it.
    compiled = CACHE / "toolchain" / "go"
    compiled.mkdir(parents=True, exist_ok=True)
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "go").symlink_to(compiled)
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
    tool = _tool(_build)
    Preparation(store, print).run([tool])
    assert store.has(tool)


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


def test_what_is_installed_is_used(store: Store, tmp_path: Path) -> None:
    installed = tmp_path / "hello"
    installed.touch()
    tool = replace(_tool(_build), installed=lambda: {"hello": installed})
    Preparation(store, print).run([tool])
    assert (store.entry(tool) / "hello").resolve() == installed


def _archive(text: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("hello-1.0.0/bin/hello")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def test_a_download_is_preferred_to_a_build(store: Store) -> None:
    app = Starlette(routes=[Route("/hello.tar.gz", lambda _: Response(_archive("#!/bin/sh\n")))])
    said: list[str] = []
    with served(app) as url:
        tool = replace(_tool(_build), urls=(f"{url}/hello.tar.gz",))
        Preparation(store, said.append).run([tool])
    program = store.entry(tool) / "hello"
    assert program.read_text() == "#!/bin/sh\n"
    assert os.access(program, os.X_OK)
    assert [re.sub(r"\d+", "0", line) for line in said] == ["hello 0.0.0: downloaded in 0 s"]
    assert [path.name for path in program.parent.iterdir()] == ["hello"]


def test_a_download_that_is_not_there_is_built_without_a_word(store: Store) -> None:
    said: list[str] = []
    with served(Starlette()) as url:
        tool = replace(_tool(_build), urls=(f"{url}/hello.tar.gz",))
        Preparation(store, said.append).run([tool])
    assert len(said) == 2
    assert "built" in said[1]


def test_a_host_that_cannot_be_reached_is_asked_once(tmp_path: Path) -> None:
    downloads = Downloads()
    url = f"http://127.0.0.1:{free_port()}/hello.tar.gz"
    assert not downloads.fetch((url,), ("hello",), tmp_path)
    port = int(url.split(":")[2].split("/")[0])
    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.settimeout(0)
        assert not downloads.fetch((url,), ("hello",), tmp_path)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_once_it_is_there_nothing_is_made() -> None:
    toolchain.ensure(print)
    command = [sys.executable, "-m", "sandbox.toolchain"]
    said = subprocess.run(command, cwd=REPO, check=True, capture_output=True, text=True).stdout
    assert said == f"The toolchain is ready in {CACHE / 'toolchain'}\n"
