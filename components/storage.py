"""Backblaze B2's credentials, and what else is secret on the host, as the files that it has."""

from __future__ import annotations

import pulumi
import pulumi_random as random

from components.settings import Settings


class StorageCredentials(pulumi.ComponentResource):
    """What opens the two buckets, a secret from end to end: `files` go to the host in stdin alone.

    `backup_password` encrypts the library's backups. It is made even where none are: switched off and on
    again, they keep theirs.
    """

    files: pulumi.Output[dict[str, str]]
    backup_password: pulumi.Output[str]

    def __init__(
        self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("plex-on-nixos:index:StorageCredentials", name, None, opts)
        password = random.RandomBytes(
            f"{name}-backup",
            length=32,
            opts=pulumi.ResourceOptions(parent=self, additional_secret_outputs=["base64", "hex"]),
        )
        self.backup_password = pulumi.Output.secret(password.base64)
        self.files = pulumi.Output.secret(
            password.base64.apply(lambda text: _files(settings, backup_password=text))
        )
        self.register_outputs({"files": self.files})


def _files(settings: Settings, *, backup_password: str) -> dict[str, str]:
    files = {"rclone.conf": rclone_conf(settings)}
    if settings.library_backup:
        files["backup.conf"] = backup_conf(settings)
        files["backup.password"] = f"{backup_password}\n"
    if url := settings.notify_url.get_secret_value():
        files["notify.conf"] = f'url = "{url}"\n'  # for curl
    return files


def rclone_conf(settings: Settings) -> str:
    """rclone's configuration with one remote, `b2`."""
    return _remote("b2", settings.b2_key_id, settings.b2_application_key.get_secret_value())


def backup_conf(settings: Settings) -> str:
    """rclone's configuration with one remote, `backup`."""
    secret = settings.backup_application_key.get_secret_value()
    return _remote("backup", settings.backup_key_id, secret)


def _remote(name: str, key_id: str, application_key: str) -> str:
    return (
        f"[{name}]\n"
        "type = b2\n"
        f"account = {key_id}\n"
        f"key = {application_key}\n"
        # What is deleted is deleted for good: by Plex, where the mount is writable, and of old backups.
        "hard_delete = true\n"
        "versions = false\n"
    )
