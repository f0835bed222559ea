"""`python -m sandbox.world up`, then `nsenter --net=… python -m sandbox.world serve`, at last `down`."""

from __future__ import annotations

import argparse
import logging
import sys
from functools import partial
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.machine import base, layers
from sandbox.machine.fleet import Fleet as Machines
from sandbox.paths import STATE, namespace
from sandbox.world import lock, network
from sandbox.world.ca import Authority
from sandbox.world.serve import Fleet, World, until_a_signal

log = logging.getLogger(__name__)


def main() -> int:
    """Runs one command; a fault that can be told in a line is one line and status 1."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.world", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="make the network namespace")
    serving = commands.add_parser("serve", help="serve everything, within the namespace")
    serving.add_argument("--pebble", type=Path, required=True, help="Pebble's program")
    serving.add_argument("--rclone", type=Path, help="the rclone that machines get")
    commands.add_parser("down", help="remove the network namespaces; no daemon may run")
    given = parser.parse_args()
    try:
        match given.command:
            case "up":
                network.up(namespace())
            case "down":
                network.down(namespace())
            case "serve":
                return _serve(given.pebble, given.rclone)
    except SandboxError as error:
        print(f"sandbox.world: {error}", file=sys.stderr)
        return 1
    return 0


def _serve(pebble: Path, rclone: Path | None) -> int:
    here, there = Path("/proc/self/ns/net"), Path("/run/netns", namespace())
    if not there.exists() or not here.samefile(there):
        print(f"sandbox.world: this is not the namespace {namespace()}", file=sys.stderr)
        return 1
    STATE.mkdir(parents=True, exist_ok=True)
    with lock.held(STATE / "world.pid"):
        logging.basicConfig(
            filename=STATE / "world.log",
            level=logging.INFO,
            format="%(asctime)s %(levelname)s %(name)s %(message)s",
        )
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells of each request
        try:
            until_a_signal(World(STATE, pebble, partial(_fleet, rclone)))
        except Exception:
            logging.exception("the world failed")
            raise
    return 0


async def _fleet(rclone: Path | None) -> Fleet:
    root = await base.ensure(log.info)
    certificate = Authority(STATE).certificate
    roots = layers.make(root, STATE / "layers", certificate, rclone)
    return Machines(STATE / "machines", namespace(), roots)


if __name__ == "__main__":
    sys.exit(main())
