"""NixOS on the server: install once, then secrets and configuration whenever they change."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_command.remote as remote
import pulumi_hcloud as hcloud

from components import configuration, errors
from components.identity import SshIdentity
from components.payload import installer_file, payload, shell_assignments
from components.rendering import NIX
from components.settings import Settings

_INSTALL_MINUTES = 30
_DIAL_MINUTES = 5
_INSTALL_SCRIPTS = (
    "enter-installer.sh",
    "install.sh",
    "kexec.sh",
    "kexec-failed.sh",
    "reported.sh",
    "system-disk.sh",
    "told.sh",
)
_SECRETS_SCRIPTS = ("opens.sh", "secrets.sh", "session.sh", "supervisor.sh", "try-secrets.sh")


class NixosHost(pulumi.ComponentResource):
    """The host's life over SSH: `install`, `secrets`, `converge`.

    Each is one command whose text is a short line, since every error prints it; scripts and data travel
    in stdin. Each has `triggers=[server.id]` and nothing else: a server that is replaced behind the same
    address would look unchanged otherwise, while anything more would replace where an update is meant.
    """

    converge: remote.Command

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        server: hcloud.Server,
        ipv4: pulumi.Output[str],
        deploy: SshIdentity,
        install_host: SshIdentity,
        host: SshIdentity,
        secrets: pulumi.Output[dict[str, str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("plex-on-nixos:index:NixosHost", name, None, opts)
        files = configuration.files(settings, name)

        def connection(host_key: pulumi.Output[str]) -> remote.ConnectionArgs:
            return remote.ConnectionArgs(
                host=ipv4,
                user="root",
                private_key=deploy.private_key,
                host_key=host_key,
                # Time is what bounds the dialling, and not a count of attempts. It ends between two of
                # them: it ends none that has met an open port, and no command.
                dial_error_limit=-1,
                per_dial_timeout=10,
            )

        def options(
            command: str,
            minutes: int,
            *,
            after: list[pulumi.Resource],
            ignore: list[str] | None = None,
        ) -> pulumi.ResourceOptions:
            limit = f"{minutes}m"
            return pulumi.ResourceOptions(
                parent=self,
                depends_on=after,
                deleted_with=server,
                ignore_changes=ignore,
                custom_timeouts=pulumi.CustomTimeouts(create=limit, update=limit, delete=limit),
                hooks=pulumi.ResourceHookBinding(
                    on_error=[errors.hook(command, settings, minutes=minutes)]
                ),
            )

        install = remote.Command(
            f"{name}-install",
            create="bash -s",
            stdin=pulumi.Output.all(
                secrets, host.private_key, host.public_key, deploy.public_key
            ).apply(
                lambda values: _install(files, installer_file(settings.pinned.installer), *values)
            ),
            connection=connection(install_host.public_key),
            triggers=[server.id],
            add_previous_output_in_env=False,
            # It belongs to one server and happens once; what changes later is converge's business.
            opts=options(
                f"{name}-install",
                _INSTALL_MINUTES,
                after=[],
                ignore=["create", "update", "stdin", "connection"],
            ),
        )
        put = remote.Command(
            f"{name}-secrets",
            create="bash -s",
            stdin=secrets.apply(lambda values: secrets_payload(values, settings, name)),
            connection=connection(host.public_key),
            triggers=[server.id],
            add_previous_output_in_env=False,
            opts=options(f"{name}-secrets", _DIAL_MINUTES, after=[install]),
        )
        self.converge = remote.Command(
            f"{name}-converge",
            create="bash -s",
            stdin=payload(files, "host/submit.sh", directory="/etc"),
            connection=connection(host.public_key),
            triggers=[server.id],
            add_previous_output_in_env=False,
            opts=options(f"{name}-converge", _DIAL_MINUTES, after=[put]),
        )
        self.register_outputs({})


def _script(name: str) -> str:
    return (NIX / "host" / name).read_text()


def _install(
    files: Mapping[str, str],
    installer: str,
    secrets: Mapping[str, str],
    host_private_key: str,
    host_public_key: str,
    deploy_public_key: str,
) -> str:
    return payload(
        {
            **files,
            **{f"secrets/{path}": content for path, content in secrets.items()},
            "identity/host_key": host_private_key,
            "identity/host_key.pub": f"{host_public_key}\n",
            "identity/deploy_key.pub": f"{deploy_public_key}\n",
            "installation/installer": installer,
            **{f"installation/{name}": _script(name) for name in _INSTALL_SCRIPTS},
        },
        "installation/enter-installer.sh",
        directory="/root",
    )


def secrets_payload(secrets: Mapping[str, str], settings: Settings, stack: str) -> str:
    """What the command for the secrets is given on its input.

    Args:
        secrets: contents by their paths in the host's /var/lib/secrets.
        settings: of which it takes the buckets that they have to open.
        stack: the stack's name.
    """
    told = {
        "STACK": stack,
        "BUCKET": settings.b2_bucket,
        "BACKUP_BUCKET": settings.library_bucket if settings.library_backup else "",
    }
    return payload(
        {
            "parameters": shell_assignments(told),
            **{f"secrets/{path}": content for path, content in secrets.items()},
            **{f"host/{name}": _script(name) for name in _SECRETS_SCRIPTS},
        },
        "host/secrets.sh",
        directory="/root",
    )
