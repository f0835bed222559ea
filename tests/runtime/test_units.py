"""What the host's units may do and see, as systemd reads it: their figures, and the secrets of each."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.runtime.lone_host import Host, host
from tests.stack import REPO

_MEDIA = {"rclone.conf"}
_LIBRARY = {"backup.conf", "backup.password"}
_HANDED = {
    "media": _MEDIA,
    "media-refresh": _MEDIA,
    "media-watch": _MEDIA,
    "notify": {"notify.conf"},
    "plex": set(),
    "plex-gate": set(),
    "plex-library": _LIBRARY,
    "plex-library-backup": _LIBRARY,
    "plex-library-certificates": _LIBRARY,
    "plex-library-check": _LIBRARY,
    "plex-library-restore": _LIBRARY,
    "ipv6-from-metadata": set(),
}
# In the place of what the unit does: it says what of the secrets is there, and whether any can be read.
_LOOKS = """#!/bin/sh
[ -z "$CREDENTIALS_DIRECTORY" ] || ls "$CREDENTIALS_DIRECTORY" | sed 's/^/handed /'
! cat /var/lib/secrets/* 2>/dev/null || echo read
echo looked
"""
_INSTEAD = """[Service]
Type=oneshot
RemainAfterExit=no
Restart=no
ExecStartPre=
ExecStart=
ExecStart=/run/look
ExecStartPost=
ExecStop=
EnvironmentFile=
LogLevelMax=info
"""


def figures() -> dict[str, tuple[float, float]]:
    """What docs/hardening.md states of each unit: its figure by itself, and here."""
    section = (
        (REPO / "docs/hardening.md").read_text().partition("## Units")[2].partition("\n## ")[0]
    )
    rows = re.findall(r"^\| (`.+?) \| ([\d.]+) \| ([\d.]+) \|", section, re.MULTILINE)
    return {
        unit: (float(before), float(here))
        for units, before, here in rows
        for unit in re.findall(r"`([\w-]+)`", units)
    }


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with host(tmp_path_factory.mktemp("units")) as running:
        texts = {unit: f'config.systemd.units."{unit}.service".text' for unit in figures()}
        for unit, path in running.build(texts).items():
            running.unit(f"{unit}.service", path)
        running.ok("mkdir", "-m", "700", "-p", "/var/lib/secrets")
        for name in set().union(*_HANDED.values()):
            running.write(f"/var/lib/secrets/{name}", "a secret\n", 0o600)
        running.write("/run/look", _LOOKS, 0o755)
        yield running


@pytest.mark.parametrize("unit", figures())
def test_no_unit_is_more_exposed_than_its_figure(unit: str, lone: Host) -> None:
    by_itself, here = figures()[unit]
    assert here <= by_itself

    said = lone.ok("systemd-analyze", "security", "--no-pager", f"{unit}.service")

    (exposure,) = re.findall(r"^→ Overall exposure level for \S+: ([\d.]+)", said, re.MULTILINE)
    assert float(exposure) <= here


def test_every_unit_of_ours_has_its_figure(lone: Host) -> None:
    modules = "".join(path.read_text() for path in (REPO / "nix").glob("*.nix*"))
    ours = set(re.findall(r"systemd\.services\.([\w-]+) = ", modules))
    assert ours - {"plex"} <= set(figures())
    assert set(_HANDED) | {"nginx", "converge-recover", "upgrade"} == set(figures())


@pytest.mark.parametrize("unit", _HANDED)
def test_each_unit_is_handed_what_it_needs_and_sees_no_other(unit: str, lone: Host) -> None:
    # A drop-in takes no dependency away, so it is another unit.
    text = lone.ok("cat", f"/run/systemd/system/{unit}.service")
    text = re.sub(r"^(Requires|Wants|After|BindsTo)=.*\n", "", text, flags=re.MULTILINE)
    lone.write(f"/run/systemd/system/look-{unit}.service", text)
    lone.write(f"/run/systemd/system/look-{unit}.service.d/look.conf", _INSTEAD)
    lone.ok("mkdir", "-p", "/var/lib/plex", "/var/lib/media", "/mnt/media")
    lone.ok("systemctl", "daemon-reload")

    lone.ok("systemctl", "start", f"look-{unit}.service")

    said = lone.journal(f"look-{unit}").splitlines()
    assert "looked" in said
    assert {line.removeprefix("handed ") for line in said if line.startswith("handed ")} == _HANDED[
        unit
    ]
    assert "read" not in said
