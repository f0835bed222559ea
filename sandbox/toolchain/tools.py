"""Every tool of the sandbox, in the order in which they are built."""

from __future__ import annotations

import platform

from . import installed, recipes
from .tool import Tool
from .versions import ACTIONLINT, ENGINE, PEBBLE, PLUGINS, RCLONE

_ARM = platform.machine() in ("aarch64", "arm64")
_ARCH = "arm64" if _ARM else "amd64"


def _plugin_url(name: str) -> str:
    version = PLUGINS[name]
    return f"https://get.pulumi.com/releases/plugins/pulumi-resource-{name}-v{version}-linux-{_ARCH}.tar.gz"


ENGINE_TOOL = Tool(
    name="engine",
    version=ENGINE,
    files=("pulumi", "pulumi-language-python", "pulumi-language-python-exec"),
    build=recipes.engine,
    urls=(
        f"https://get.pulumi.com/releases/sdk/pulumi-v{ENGINE}-linux-{'arm64' if _ARM else 'x64'}.tar.gz",
    ),
    sources=("language-python",),
    installed=installed.engine,
)

PLUGIN_TOOLS = {
    "hcloud": Tool(
        name="hcloud",
        version=PLUGINS["hcloud"],
        files=("pulumi-resource-hcloud",),
        build=recipes.hcloud,
        urls=(_plugin_url("hcloud"),),
        sources=("bridge", "random-shim", "cmd/write-schema", "cmd/pulumi-resource-hcloud"),
        installed=installed.plugin("hcloud"),
    ),
    "random": Tool(
        name="random",
        version=PLUGINS["random"],
        files=("pulumi-resource-random",),
        build=recipes.random,
        urls=(_plugin_url("random"),),
        sources=("bridge", "random-shim", "cmd/write-schema", "cmd/pulumi-resource-random"),
        installed=installed.plugin("random"),
    ),
    "command": Tool(
        name="command",
        version=PLUGINS["command"],
        files=("pulumi-resource-command",),
        build=recipes.command,
        urls=(_plugin_url("command"),),
        sources=("remote", "cmd/pulumi-resource-command"),
        installed=installed.plugin("command"),
    ),
}

RCLONE_TOOL = Tool(
    name="rclone",
    version=RCLONE,
    files=("rclone",),
    build=recipes.rclone,
    urls=(f"https://downloads.rclone.org/v{RCLONE}/rclone-v{RCLONE}-linux-{_ARCH}.zip",),
    sources=("cmd/rclone",),
    installed=installed.rclone,
)

PEBBLE_TOOL = Tool(
    name="pebble",
    version=PEBBLE,
    files=("pebble", "pebble-challtestsrv"),
    build=recipes.pebble,
    urls=tuple(
        f"https://github.com/letsencrypt/pebble/releases/download/v{PEBBLE}/{program}-linux-{_ARCH}.tar.gz"
        for program in ("pebble", "pebble-challtestsrv")
    ),
)

ACTIONLINT_TOOL = Tool(
    name="actionlint",
    version=ACTIONLINT,
    files=("actionlint",),
    build=recipes.actionlint,
    urls=(
        f"https://github.com/rhysd/actionlint/releases/download/v{ACTIONLINT}/actionlint_{ACTIONLINT}_linux_{_ARCH}.tar.gz",
    ),
    sources=("actionlint",),
)

TOOLS = (ENGINE_TOOL, *PLUGIN_TOOLS.values(), RCLONE_TOOL, PEBBLE_TOOL, ACTIONLINT_TOOL)
