"""A stack of one command, whose arguments are in the environment as JSON."""

from __future__ import annotations

import json
import os

import pulumi
import pulumi_random as random
from pulumi_command import remote

given = json.loads(os.environ["ONE_COMMAND"])


def again(args: pulumi.ErrorHookArgs) -> bool:
    """Repeat what ended with 75."""
    return any("Process exited with status 75" in error for error in args.errors)


options = pulumi.ResourceOptions(
    hooks=pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook("again", again)]),
    custom_timeouts=pulumi.CustomTimeouts(create=given["timeout"]),
)
secret_stdin = given["inputs"].pop("secret_stdin", None)
if secret_stdin is not None:
    given["inputs"]["stdin"] = pulumi.Output.secret(secret_stdin)
random_stdin = given["inputs"].pop("random_stdin", None)
if random_stdin is not None:
    given["inputs"]["stdin"] = random.RandomBytes("some", length=random_stdin).base64
connection = remote.ConnectionArgs(**given["connection"])
command = remote.Command("it", connection=connection, opts=options, **given["inputs"])
pulumi.export("id", command.id)
pulumi.export("stdout", command.stdout)
