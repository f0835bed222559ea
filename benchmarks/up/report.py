"""docs/bench.md, made of what was measured: `python -m benchmarks.up.report`."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.page import table

_DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
RESULTS = _DOCS / "bench.json"
PAGE = _DOCS / "bench.md"

# Counted in the sources of 2026: nixos-rebuild-ng's process.py, colmena's ssh.rs, deploy-rs's deploy.rs.
_OTHERS = """
| | SSH connections | what they are for |
| --- | --- | --- |
| this program | 2 | the change, and its acknowledgement over a new connection |
| `nixos-rebuild --target-host` | 1 | shared by all commands (ControlMaster); nothing tries a new one |
| colmena | 4, and one for each key | the profile, the copy, `nix-env --set`, the switch |
| deploy-rs | 4 | the copy, the activation, its end, and the confirmation over a new one |
"""


def page(results: dict[str, Any]) -> str:
    """The page's Markdown."""
    return f"""# What an `up` takes

In [the sandbox](../sandbox/README.md): the real engine, SSH and NixOS's own activation, with stand-ins of
Hetzner and Backblaze, all on one computer. Made on {results["date"]} ({results["machine"]}, shared with
others) in {results["minutes"]} minutes by

<!-- not run: it takes a quarter of an hour, and eight servers of the sandbox -->

    make bench

Medians, and in brackets the least and the most. All figures are in [{RESULTS.name}]({RESULTS.name}).

## Nothing to do

`pulumi up` on a stack that is as it should be ({results["noop"]["resources"]} resources), and on one of
an empty Python program, in turn:

{_noop(results["noop"]["seconds"])}

No SSH connection is made. What the engine does by itself is the most of it.

## A line of the configuration is changed

`pulumi up` after another time zone, with a line to the host on which a round trip takes so long. The
host's time is from the first to the last word of its supervisor; it evaluates and builds the
configuration itself.

{_change(results["change"])}

{_per_round_trip(results["change"])} The bytes are the whole configuration, which travels each time.

How often others connect for one changed host, as it stands in their sources; those build on the laptop,
so that more than a configuration travels:
{_OTHERS}
## Several stacks

`python -m fleet up` after another time zone for each of several stacks, four at a time, each with its own
server, all of them on this one computer:

{_fleet(results["fleet"])}

What grows with the number of stacks is the number of engines at a time, which `--parallel` bounds, and
with it the memory; the calls and connections are each stack's own. Here the hosts share the computer with
the engines, so time grows faster than it does where each host has its own.

On paper, for a thousand stacks: at four at a time and a quarter of a minute each, an hour. Then a run for
each stack belongs into CI, a matrix of jobs that each do one ([ci.md](ci.md)), or into Pulumi Cloud's
deployments, so that neither memory nor one line to the internet is shared; the state in a bucket does not
mind. Beyond that hosts had better fetch their configuration than be handed it: a signed payload in a
bucket, and the same supervisor behind a timer. Nothing of that is built here, since a dozen is what this
is for.
"""


def _spread(values: list[float]) -> str:
    return f"{median(values):.1f} s ({min(values):.1f}–{max(values):.1f})"


def _noop(seconds: dict[str, list[float]]) -> str:
    ours, empty = seconds.values()
    rows = [(name, _spread(found)) for name, found in seconds.items()]
    return table(("", "time"), [*rows, ("ratio", f"**{median(ours) / median(empty):.2f}**")])


def _at(results: list[dict[str, Any]], at: float, key: str) -> list[float]:
    return [one[key] for one in results if one["at"] == at]


def _beyond(results: list[dict[str, Any]], at: float) -> list[float]:
    return [one["seconds"] - one["host"] for one in results if one["at"] == at]


def _change(results: list[dict[str, Any]]) -> str:
    rows = []
    for at in sorted({one["at"] for one in results}):
        rows.append(
            (
                f"{1000 * at:.0f} ms",
                _spread(_at(results, at, "seconds")),
                _spread(_at(results, at, "host")),
                _spread(_beyond(results, at)),
                f"{median(_at(results, at, 'connections')):.0f}",
                f"{median(_at(results, at, 'round_trips')):.0f}",
                f"{median(_at(results, at, 'bytes')) / 1000:.0f} kB",
            )
        )
    head = ("a round trip", "`up`", "the host", "beyond it", "connections", "round trips", "bytes")
    return table(head, rows)


def _per_round_trip(results: list[dict[str, Any]]) -> str:
    near, far = min(one["at"] for one in results), max(one["at"] for one in results)
    more = median(_beyond(results, far)) - median(_beyond(results, near))
    return f"From {near * 1000:.0f} to {far * 1000:.0f} ms costs {more:.1f} s."


def _fleet(results: list[dict[str, Any]]) -> str:
    head = ("stacks", "time", "each", "memory at most", "SSH connections", "API calls")
    return table(
        head,
        (
            (
                str(one["stacks"]),
                f"{one['seconds']:.0f} s",
                f"{one['seconds'] / one['stacks']:.1f} s",
                f"{one['memory'] / 1e6:.0f} MB",
                str(one["connections"]),
                str(one["calls"]),
            )
            for one in results
        ),
    )


if __name__ == "__main__":
    PAGE.write_text(page(json.loads(RESULTS.read_text())))
