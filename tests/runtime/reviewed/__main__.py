"""What a stack hands to its host: a configuration that may be read, and secrets; with a resource beside."""

from __future__ import annotations

import os

import pulumi
import pulumi_random as random
from pulumi_command import remote

from components.payload import payload

config = pulumi.Config()
connection = remote.ConnectionArgs(
    host="127.0.0.1",
    port=int(os.environ["SSHD_PORT"]),
    user=os.environ["SSHD_USER"],
    private_key=pulumi.Output.secret(os.environ["SSHD_KEY"]),
)


def command(name: str, stdin: pulumi.Input[str]) -> None:
    """A command as the program has them."""
    remote.Command(
        name,
        create="cat >/dev/null",
        stdin=stdin,
        connection=connection,
        add_previous_output_in_env=False,
    )


lines = config.require_object("lines")
files = {
    "system.nix": "".join(f"{line}\n" for line in lines),
    "notes.md": "```\n",
    **({"new.nix": "{ }\n"} if len(lines) > 2 else {}),
}
command("it-converge", payload(files, "notes.md", directory="/etc"))
token = config.require_secret("token")
command(
    "it-secrets",
    token.apply(lambda value: payload({"token": f"{value}\n"}, "token", directory="/root")),
)
random.RandomPassword("password", length=8, keepers={"token": token, "plain": str(len(lines))})
random.RandomInteger("number", min=len(lines), max=10)
