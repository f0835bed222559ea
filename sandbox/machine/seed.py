"""What cloud-init finds on a new machine's first system."""

from __future__ import annotations

import json
from pathlib import Path

from sandbox.hetzner.machines import MachineSpec
from sandbox.machine import network, tree

_NOCLOUD = Path("var/lib/cloud/seed/nocloud")


def write(spec: MachineSpec, upper: Path) -> None:
    """Write the first system's own files: network, user data, and the API's SSH keys for root."""
    # JSON is YAML.
    metadata = {
        "instance-id": str(spec.server_id),
        "local-hostname": spec.name,
        "public-keys": list(spec.ssh_keys),
    }
    for name, content, mode in (
        (_NOCLOUD / "meta-data", json.dumps(metadata), 0o644),
        (_NOCLOUD / "user-data", spec.user_data, 0o600),
        (Path("etc/systemd/network/10-eth0.network"), network.network(spec), 0o644),
    ):
        tree.write(upper / name, content, mode, upper)
