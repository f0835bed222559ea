"""What happens when a command on the host ends badly: which are run again, and what is said."""

from __future__ import annotations

import pulumi

from components.settings import Settings

# The host is healthy and waits for a second connection (sysexits.h calls it EX_TEMPFAIL).
_AGAIN = "Process exited with status 75"
# What Go's SSH client says of a session whose connection went away.
_DROPPED = (
    "remote command exited without exit status or exit signal",
    "connection reset by peer",
    "broken pipe",
    "EOF",
)
_UNREACHED = "context deadline exceeded"
_AT_MOST = 3


def decide(errors: list[str]) -> bool:
    """Whether the engine should run the failed command again, over a new connection.

    Args:
        errors: the messages of this operation's failures so far, newest first.

    A host that waits for its acknowledgement is answered, and a session that dropped is taken up again,
    each up to three times: a host that has lost its power in between begins anew, and waits once more.
    Anything else has failed.
    """
    reasons = [_reason(error) for error in errors]
    if _AGAIN in reasons[0]:
        return sum(_AGAIN in reason for reason in reasons) <= _AT_MOST
    return _dropped(reasons[0]) and sum(map(_dropped, reasons)) <= _AT_MOST


def _reason(error: str) -> str:
    # Only what stands before the command's own text and output, in which anything might be written.
    return error.split(": running ", 1)[0]


def _dropped(reason: str) -> bool:
    return any(text in reason for text in _DROPPED)


def hook(name: str, settings: Settings, *, minutes: int) -> pulumi.ErrorHook:
    """An error hook for the command of that name, which also explains a host that was never reached.

    Args:
        name: the command's; that of the installation ends with "-install".
        minutes: how long it dials.
    """

    def on_error(args: pulumi.ErrorHookArgs) -> bool:
        if _UNREACHED in _reason(args.errors[0]):
            pulumi.log.error(
                f"{args.name}: no SSH connection within {minutes} minutes. Either the server is not up; or "
                "it does not know this stack's deploy key; or its host key is not the one that this stack "
                "gave it, which means another machine at its address; or this computer is in none of the "
                f"networks that may connect (sshNetworks: {', '.join(settings.ssh_networks)})."
            )
            if name.endswith("-install"):
                pulumi.log.error(_rebuild(args, protect=settings.protect))
        return decide(args.errors)

    return pulumi.ErrorHook(f"{name}-error", on_error)


def _rebuild(args: pulumi.ErrorHookArgs, *, protect: bool) -> str:
    (server,) = (args.new_inputs or {})["triggers"]
    rebuild = [f"hcloud server rebuild --image ubuntu-24.04 {server}"]
    if protect:
        rebuild = [
            f"hcloud server disable-protection {server} delete rebuild",
            *rebuild,
            f"hcloud server enable-protection {server} delete rebuild",
        ]
    commands = "".join(f"\n    {command}" for command in [*rebuild, "pulumi up"])
    return (
        f"{args.name}: if none of these is the case, the server may have lost its power while its disk was "
        "being written, and boots nothing any more: Hetzner's console shows it. Nothing of yours is on it "
        f"yet, so start from the beginning, at the same addresses:{commands}"
    )
