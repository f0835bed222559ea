"""The layers of one sandbox's roots, above the base that all sandboxes share."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from sandbox.machine import tree
from sandbox.nixpkgs import gixy

_PLEX = Path(__file__).parent.parent / "plex"
_CERTIFICATES = Path("etc/ssl/certs/ca-certificates.crt")
_OS_RELEASE = {
    "ubuntu": """PRETTY_NAME="Ubuntu 24.04.3 LTS"
NAME="Ubuntu"
VERSION_ID="24.04"
VERSION="24.04.3 LTS (Noble Numbat)"
VERSION_CODENAME=noble
ID=ubuntu
ID_LIKE=debian
UBUNTU_CODENAME=noble
""",
    "installer": """PRETTY_NAME="NixOS 25.11 (Xantusia)"
NAME=NixOS
VERSION="25.11 (Xantusia)"
VERSION_ID="25.11"
VERSION_CODENAME=xantusia
ID=nixos
VARIANT="NixOS installer"
VARIANT_ID=installer
""",
}


@dataclass(frozen=True)
class Layers:
    """Folders for overlayfs, to be left alone while a machine runs."""

    base: Path
    instance: Path
    """The sandbox's certificates, its Plex, its gixy and its rclone."""
    ubuntu: Path
    installer: Path


def make(base: Path, directory: Path, certificate: Path, rclone: Path | None) -> Layers:
    """Write the layers into `directory`, which is made anew.

    Args:
        base: the root from `sandbox.machine.base.ensure`.
        directory: an empty or missing folder in the sandbox's state.
        certificate: the sandbox's own certificate authority, PEM.
        rclone: the program that machines get as /usr/local/bin/rclone; None leaves Debian's.
    """
    layers = Layers(base, *(directory / name for name in ("instance", "ubuntu", "installer")))
    for layer in (layers.instance, layers.ubuntu, layers.installer):
        layer.mkdir(parents=True, exist_ok=True)
    _instance(layers, certificate, rclone)
    for name, layer in (("ubuntu", layers.ubuntu), ("installer", layers.installer)):
        tree.copy(tree.ROOTS / name, layer)
        tree.write(layer / "usr/lib/os-release", _OS_RELEASE[name], 0o644, layer)
    tree.write(layers.installer / "etc/hostname", "nixos-installer\n", 0o644, layers.installer)
    # The installer knows nothing of cloud-init, and starts sshd with the keys that were carried over.
    tree.write(layers.installer / "etc/cloud/cloud-init.disabled", "", 0o644, layers.installer)
    return layers


def _instance(layers: Layers, certificate: Path, rclone: Path | None) -> None:
    root = layers.instance
    pem = certificate.read_text()
    bundle = (layers.base / _CERTIFICATES).read_text() + pem
    for name in (_CERTIFICATES, Path("usr/lib/sandbox/ca-certificates.crt")):
        tree.write(root / name, bundle, 0o644, root)
    # Some programs look a certificate up by its subject's hash.
    subject = subprocess.run(
        ["chroot", str(layers.base), "openssl", "x509", "-noout", "-subject_hash"],
        input=pem,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    tree.write(root / f"etc/ssl/certs/{subject.stdout.strip()}.0", pem, 0o644, root)
    if _PLEX.is_dir():
        for source in sorted(_PLEX.rglob("*")):
            if source.is_file() and "__pycache__" not in source.parts:
                mode = 0o755 if source.stat().st_mode & 0o100 else 0o644
                target = root / "usr/lib/sandbox/plex" / source.relative_to(_PLEX)
                tree.write(target, source.read_bytes(), mode, root)
    gixy.bring(root)
    if rclone is not None:
        tree.bring(rclone, root / "usr/local/bin/rclone", root)
