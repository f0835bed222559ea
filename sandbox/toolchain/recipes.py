"""How each tool is built from Go modules."""

from __future__ import annotations

import json
from pathlib import Path

from .golang import Workshop
from .versions import ENGINE, RCLONE

_SDK = "github.com/pulumi/pulumi/sdk/v3"
_PEBBLE = "github.com/letsencrypt/pebble/v2/cmd"

_END_WITH_HOST = """\
# This host leaves its program behind when a run has failed, and the engine waits 5 s for it.
import ctypes, signal
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
"""


def engine(workshop: Workshop, out: Path) -> None:
    """Pulumi's engine, and what runs Python programs for it."""
    workshop.build(
        "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
        out / "pulumi",
        variables=f"{_SDK}/go/common/version.Version=v{ENGINE}",
    )
    # The engine's own release has a newer one, in a module that the proxy does not serve.
    workshop.build(
        f"{_SDK}/python/cmd/pulumi-language-python",
        out / "pulumi-language-python",
        module="language-python",
    )
    sdk = Path(json.loads(workshop.run(".", "mod", "download", "-json", _SDK))["Dir"])
    name = "pulumi-language-python-exec"
    shebang, _, script = (sdk / "python" / "cmd" / name).read_text().partition("\n")
    (out / name).write_text(f"{shebang}\n{_END_WITH_HOST}{script}")
    (out / name).chmod(0o755)


def hcloud(workshop: Workshop, out: Path) -> None:
    """Hetzner's Terraform provider, bridged."""
    _bridged(workshop, out, "hcloud")


def random(workshop: Workshop, out: Path) -> None:
    """HashiCorp's random provider, bridged."""
    _bridged(workshop, out, "random")


def _bridged(workshop: Workshop, out: Path, name: str) -> None:
    generated = workshop.source / "bridge" / name / "generated"
    workshop.run(".", "run", "-trimpath", "./cmd/write-schema", name, str(generated))
    workshop.build(f"./cmd/pulumi-resource-{name}", out / f"pulumi-resource-{name}")


def command(workshop: Workshop, out: Path) -> None:
    """Our own command plugin."""
    workshop.build("./cmd/pulumi-resource-command", out / "pulumi-resource-command")


def rclone(workshop: Workshop, out: Path) -> None:
    """rclone with the backends that the sandbox has a use for."""
    workshop.build(
        "./cmd/rclone", out / "rclone", variables=f"github.com/rclone/rclone/fs.Version=v{RCLONE}"
    )


def pebble(workshop: Workshop, out: Path) -> None:
    """Let's Encrypt's test server, and the DNS server that its tests use."""
    for program in ("pebble", "pebble-challtestsrv"):
        workshop.build(f"{_PEBBLE}/{program}", out / program)


def actionlint(workshop: Workshop, out: Path) -> None:
    """What checks the workflows for GitHub."""
    program = "github.com/rhysd/actionlint/cmd/actionlint"
    workshop.build(program, out / "actionlint", module="actionlint")
