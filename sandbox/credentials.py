"""What opens the sandbox, and nothing else anywhere. Pulumi.sandbox.yaml holds the same, encrypted."""

from __future__ import annotations

PASSPHRASE = "sandbox"  # noqa: S105 - it is public on purpose
HCLOUD_TOKEN = "sandbox" * 8 + "sand0000"
B2_KEY_ID = "0005a1b2c3d4e5f0000000001"
B2_APPLICATION_KEY = "K000sandboxSandboxSandbox000001"
B2_BUCKET = "films-and-music"
BACKUP_KEY_ID = "0005a1b2c3d4e5f0000000002"
BACKUP_APPLICATION_KEY = "K000sandboxSandboxSandbox000002"
BACKUP_BUCKET = "films-and-music-library"
ZONE = "films.sandbox"
