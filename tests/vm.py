"""`make test-vm`: the configuration in a virtual machine (vm.nix)."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests import stack
from tests.nix.test_rendered import write
from tests.nixos import given

TEST = Path(__file__).with_name("vm.nix")
_KVM = Path("/dev/kvm")
_KVM_GET_API_VERSION = 0xAE00


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
    """Why a virtual machine would crawl here; None where KVM answers.

    It may be closed to this user, and open to those whom Nix builds as.
    """
    try:
        device = os.open(_KVM, os.O_RDWR | os.O_CLOEXEC)
    except PermissionError:
        return None
    except OSError:
        return f"no KVM on this computer: {_KVM} cannot be opened"
    try:
        fcntl.ioctl(device, _KVM_GET_API_VERSION)
    except OSError:
        return f"no KVM on this computer: {_KVM} does not answer"
    finally:
        os.close(device)
    return None


if __name__ == "__main__":
    sys.exit(main())
