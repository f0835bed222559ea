"""What a server's creation that failed half-way has left out, made up for by the next update.

Pulumi keeps such a server as one to be updated; and since its inputs have not changed, the provider then
sends nothing, and calls it done. Of what else fails half-way Pulumi keeps nothing: see `orphans`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pulumi
from hcloud import APIException, Client
from hcloud.actions import BoundAction

from components import hetzner

Missing = tuple[str, Callable[[], BoundAction]]
"""What is missing, and what puts it right."""


def hook() -> pulumi.ResourceHook:
    """A hook that runs before an update of a server.

    It compares with Hetzner what the state takes for done, and does what was not; in a preview it says so.
    What it cannot do fails the update, so that the next run tries again.
    """

    def before_update(args: pulumi.ResourceHookArgs) -> None:
        with hetzner.asking(f"{args.name}: cannot be compared with what Hetzner has") as client:
            for what, put_right in _found(client, args):
                if pulumi.runtime.is_dry_run():
                    pulumi.log.warn(f"{args.name}: {what}. This update puts that right.")
                else:
                    put_right().wait_until_finished()
                    pulumi.log.warn(f"{args.name}: {what}. That has been put right.")

    return pulumi.ResourceHook(
        "completion", before_update, pulumi.ResourceHookOptions(on_dry_run=True)
    )


def _found(client: Client, args: pulumi.ResourceHookArgs) -> list[Missing]:
    before, now = args.old_inputs or {}, args.new_inputs or {}
    wanted = {key: value for key, value in now.items() if before.get(key) == value}
    never_read = not (args.old_outputs or {}).get("status")
    try:
        return list(_server(client, int(args.id), wanted, never_read=never_read))
    except APIException as error:
        if error.code == "not_found":
            return []  # of which the provider has a sentence of its own
        raise


def _server(
    client: Client, number: int, wanted: Mapping[str, Any], *, never_read: bool
) -> Iterator[Missing]:
    server = client.servers.get_by_id(number)
    if wanted.get("backups") and not server.backup_window:
        yield "Hetzner makes no backups of the server", server.enable_backup
    if wanted.get("deleteProtection") and not hetzner.protected(server):
        yield (
            "the server is not protected against deletion at Hetzner",
            lambda: server.change_protection(delete=True, rebuild=True),
        )
    # Whoever switches their server off means it. One that the state has never seen has never run.
    if never_read and server.status == server.STATUS_OFF:
        yield "the server was never started", server.power_on
