"""`make test-vm`: the configuration in NixOS's own test of a virtual machine (nixos.nix)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests import stack
from tests.nix.test_rendered import write
from tests.nixos import given
from tests.vm import accelerator

TEST = Path(__file__).with_name("nixos.nix")
KVM = Path("/dev/kvm")
# QEMU and the kernel that the test has.
_PROGRAMS = """
{ nixpkgs }:
let
  pkgs = import nixpkgs {
    config = { };
    overlays = [ ];
  };
in
[
  pkgs.qemu_test
  pkgs.linux
]
"""


def main() -> int:
    """The exit status: that of the test, or 0 where it is skipped."""
    if missing := given.what_is_missing() or _no_kvm():
        return given.end("test-vm", missing)
    with TemporaryDirectory(prefix="rendered-") as rendered:
        write(Path(rendered), {})
        named = ["--arg", "nixpkgs", str(given.nixpkgs()), *told(Path(rendered))]
        command = ["nix-build", "--no-out-link", *named, str(TEST)]
        return subprocess.run(command, check=False).returncode


def told(rendered: Path) -> list[str]:
    """What the test has to know of a rendered configuration, as arguments of Nix's."""
    settings = stack.settings_of()
    names = ["--argstr", "domain", settings.domain, "--argstr", "bucket", settings.b2_bucket]
    return ["--arg", "rendered", str(rendered), *names]


def _no_kvm() -> str | None:
    """Why a virtual machine would crawl here; None where KVM runs a kernel, as a trial boot tells."""
    if not KVM.exists():
        return f"no KVM on this computer: there is no {KVM}"
    if not os.access(KVM, os.R_OK | os.W_OK):
        # It may be open to those whom Nix builds as.
        return None
    command = [
        "nix-build",
        "--no-out-link",
        "--arg",
        "nixpkgs",
        str(given.nixpkgs()),
        "-E",
        _PROGRAMS,
    ]
    built = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode != 0:
        return "QEMU and a kernel for a trial boot cannot be built by this nixpkgs; see above"
    qemu, kernel = map(Path, built.stdout.split())
    if accelerator.boots(str(qemu / "bin/qemu-system-x86_64"), kernel / "bzImage", "kvm"):
        return None
    return (
        f"no KVM that works on this computer: {KVM} is there, but a kernel does not come up by it"
    )


if __name__ == "__main__":
    sys.exit(main())
