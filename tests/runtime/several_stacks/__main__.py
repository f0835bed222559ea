"""A stack of one resource, which fails or waits for a file if its configuration says so."""

from __future__ import annotations

import time
from pathlib import Path

import pulumi
import pulumi_random as random

config = pulumi.Config()
if config.get("invalid"):
    raise pulumi.RunError("1 fault in the stack's configuration\n  value: it is invalid")
if config.get_bool("says"):
    pulumi.log.info("[it] ends soon")


def before_create(_: pulumi.ResourceHookArgs) -> None:
    """Say that it is being made, and wait until it may be."""
    here = Path.cwd()
    (here / f"began-{pulumi.get_stack()}").touch()
    while config.get_bool("waits") and not (here / "go-on").exists():
        time.sleep(0.05)
    if config.get_bool("fails"):
        raise pulumi.RunError("first line\nthis one was told to fail")


made = pulumi.ResourceHookBinding(before_create=[pulumi.ResourceHook("made", before_create)])
random.RandomId(
    "it",
    byte_length=8,
    keepers={"value": config.get("value") or ""},
    opts=pulumi.ResourceOptions(hooks=made, protect=config.get_bool("protected") or False),
)
