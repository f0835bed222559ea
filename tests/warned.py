"""What a run of Pulumi's warns of: whoever meets warnings that mean nothing reads none of them."""

from __future__ import annotations

import re

RETRY = "warning: retrying update due to on-error hook request (1/100)"
"""The engine's, in every change: the second connection is begun by a hook that lets it try again."""

_MEANT = (
    # The sandbox's certificates are not such as browsers trust.
    r"health: warning: the certificate of \S+ is not one that browsers trust; ",
    # Until somebody lets the stack in with the password of before, or takes that one away.
    r"health: warning: the backups of the library: the repository at \S+ was made with another password ",
    # sgdisk's, in the sandbox alone: the server's disk is a loop device.
    r"The kernel is still using the old partition table",
)


def warned(printed: str) -> list[str]:
    """The warnings among what a run printed, from that word on, each once; but for those that mean something.

    A line that the host prints counts too, and so does Python's `DeprecationWarning`.
    """
    lines = (
        line for line in printed.splitlines() if not any(re.search(each, line) for each in _MEANT)
    )
    found = (re.search(r"\w*warning\b.*", line, re.IGNORECASE) for line in lines)
    return list(dict.fromkeys(each[0].strip() for each in found if each))
