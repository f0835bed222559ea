"""Every tool of the sandbox, in the order in which they are built."""

from __future__ import annotations

from . import recipes
from .tool import Tool
from .versions import ACTIONLINT, ENGINE, PEBBLE, PLUGINS, RCLONE

ENGINE_TOOL = Tool(
    name="engine",
    version=ENGINE,
    files=("pulumi", "pulumi-language-python", "pulumi-language-python-exec"),
    build=recipes.engine,
    sources=("language-python",),
)

PLUGIN_TOOLS = {
    "hcloud": Tool(
        name="hcloud",
        version=PLUGINS["hcloud"],
        files=("pulumi-resource-hcloud",),
        build=recipes.hcloud,
        sources=("bridge", "random-shim", "cmd/write-schema", "cmd/pulumi-resource-hcloud"),
    ),
    "random": Tool(
        name="random",
        version=PLUGINS["random"],
        files=("pulumi-resource-random",),
        build=recipes.random,
        sources=("bridge", "random-shim", "cmd/write-schema", "cmd/pulumi-resource-random"),
    ),
    "command": Tool(
        name="command",
        version=PLUGINS["command"],
        files=("pulumi-resource-command",),
        build=recipes.command,
        sources=("remote", "cmd/pulumi-resource-command"),
    ),
}

RCLONE_TOOL = Tool(
    name="rclone",
    version=RCLONE,
    files=("rclone",),
    build=recipes.rclone,
    sources=("cmd/rclone",),
)

PEBBLE_TOOL = Tool(
    name="pebble",
    version=PEBBLE,
    files=("pebble", "pebble-challtestsrv"),
    build=recipes.pebble,
)

ACTIONLINT_TOOL = Tool(
    name="actionlint",
    version=ACTIONLINT,
    files=("actionlint",),
    build=recipes.actionlint,
    sources=("actionlint",),
)

TOOLS = (ENGINE_TOOL, *PLUGIN_TOOLS.values(), RCLONE_TOOL, PEBBLE_TOOL, ACTIONLINT_TOOL)
