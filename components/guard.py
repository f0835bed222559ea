"""What stops a destroy before its first request."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_random as random

from components.settings import Settings

FIRST_STEP = "-first-set-protect-to-false-and-run-pulumi-up"


class Guard(pulumi.ComponentResource):
    """A protected leaf that depends on everything in `after`.

    Destroying begins with the leaves. `protect` on the server alone would let its firewall, records and
    addresses go first. Pulumi's refusal has the leaf's name in it and knows nothing of the two steps that
    a destroy takes here, so the name says the first one.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        after: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("plex-on-nixos:index:Guard", name, None, opts)
        random.RandomId(
            f"{name}-guard{FIRST_STEP}",
            byte_length=8,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=after,
                protect=settings.protect,
                aliases=[pulumi.Alias(name=f"{name}-guard")],
            ),
        )
        self.register_outputs({})
