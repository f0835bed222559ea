"""The VM test, as far as it can be looked at without KVM and a nixpkgs; and what it says where they lack."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import stack
from tests.nix.evaluation import evaluate
from tests.nix.test_rendered import write
from tests.vm import __main__ as vm

# What NixOS's driver has for a script, and this one uses.
_BUILTINS = ["host", "visitor", "start_all"]
_DEAD = """
{ ... }:
let
  package = name: derivation {
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    PATH = "/usr/bin:/bin";
    args = [ "-ec" "mkdir -p $out/bin; cd $out/bin; echo '#!/bin/sh' >qemu-system-x86_64; chmod +x *" ];
  };
in
{
  qemu_test = package "qemu";
  linux = package "linux";
}
"""


@pytest.fixture
def script(tmp_path: Path) -> str:
    """The script that the test's driver would run."""
    rendered = tmp_path / "rendered"
    rendered.mkdir()
    write(rendered, {})
    settings = stack.settings_of()
    found = evaluate(
        f"""
        import {vm.TEST} {{
          nixpkgs = ./.;
          rendered = ./rendered;
          domain = "{settings.domain}";
          bucket = "{settings.b2_bucket}";
          runTest = test: test.testScript;
        }}
        """,
        tmp_path,
    )
    assert isinstance(found, str)
    return found


def ruff(script: str) -> str:
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("ruff"), "check", "--isolated", "--quiet"),
            *("--select=F", "--output-format=concise", f"--config=builtins={_BUILTINS}", "-"),
        ],
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_the_script_is_one_that_the_driver_can_run(script: str) -> None:
    assert "host.start()" in script
    assert ruff(script) == ""
    assert "Undefined name `serve`" in ruff(script.replace("serves()\n\nhost.", "serve()\n\nhost."))


@pytest.fixture
def no_nixpkgs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NIXPKGS", raising=False)
    monkeypatch.setenv("NIX_PATH", "")


@pytest.mark.usefixtures("no_nixpkgs")
def test_without_a_nixpkgs_it_is_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    assert vm.main() == 0
    assert capsys.readouterr().out.startswith("skipped: no nixpkgs: name one by NIXPKGS=")


@pytest.mark.usefixtures("no_nixpkgs")
def test_without_nix_it_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert vm.main() == 0
    assert capsys.readouterr().out.startswith("skipped: no Nix on this computer")


def test_whoever_names_a_nixpkgs_is_told_that_kvm_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NIXPKGS", str(tmp_path))
    monkeypatch.setattr(vm, "KVM", tmp_path / "kvm")

    assert vm.main() == 1
    assert capsys.readouterr().out.startswith(
        "make test-vm: no KVM on this computer: there is no /"
    )


def test_a_kvm_by_which_no_kernel_comes_up_is_missing_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NIXPKGS", str(tmp_path))
    monkeypatch.setattr(vm, "KVM", tmp_path / "kvm")
    (tmp_path / "kvm").touch()
    # A nixpkgs of two packages: a QEMU that ends without a word, and no kernel.
    (tmp_path / "default.nix").write_text(_DEAD)
    for name in ("STORE_DIR", "STATE_DIR", "LOG_DIR"):
        monkeypatch.setenv(f"NIX_{name}", str(tmp_path / name))
    monkeypatch.setenv("NIX_CONFIG", "sandbox = false\nsubstitute = false\nbuild-users-group =")

    assert vm.main() == 1
    said = capsys.readouterr().out
    assert said.startswith("make test-vm: no KVM that works on this computer: /"), said


def test_it_is_skipped_where_nix_has_a_nixpkgs_and_there_is_no_kvm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NIXPKGS", raising=False)
    monkeypatch.setenv("NIX_PATH", f"nixpkgs={tmp_path}")
    monkeypatch.setattr(vm, "KVM", tmp_path / "kvm")

    assert vm.main() == 0
    assert capsys.readouterr().out.startswith("skipped: no KVM on this computer: there is no /")
