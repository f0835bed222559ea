"""Backblaze B2's credentials, as the file that rclone reads on the host."""

from __future__ import annotations

import pulumi

from components.settings import Settings


class MediaCredentials(pulumi.ComponentResource):
    """The bucket's application key, a secret from end to end: `files` go to the host in stdin alone."""

    files: pulumi.Output[dict[str, str]]

    def __init__(
        self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("plex-on-nixos:index:MediaCredentials", name, None, opts)
        self.files = pulumi.Output.secret({"rclone.conf": rclone_conf(settings)})
        self.register_outputs({"files": self.files})


def rclone_conf(settings: Settings) -> str:
    """rclone's configuration with one remote, `b2`."""
    return (
        "[b2]\n"
        "type = b2\n"
        f"account = {settings.b2_key_id}\n"
        f"key = {settings.b2_application_key.get_secret_value()}\n"
        # Only a writable mount deletes anything: then for good, as the article has it.
        "hard_delete = true\n"
        "versions = false\n"
    )
