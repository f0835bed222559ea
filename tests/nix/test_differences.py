"""What is said in two spellings is no difference between two hosts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nixos import differences
from tests.nixos.evaluated import Host, Store


def host(text: str, folder: Path) -> Host:
    unit = {"text": text, "wantedBy": ["multi-user.target"], "requiredBy": [], "derivations": []}
    return Host({"units": {"a.service": unit}}, "", Store(folder))


@pytest.mark.parametrize(
    ("real", "miniature"),
    [
        # NixOS says a part of what is wanted by whom in the unit's own text too.
        ("[Unit]\nA=b\n\n[Install]\nWantedBy=multi-user.target\n", "[Unit]\nA=b\n"),
        ("[Unit]\nAfter=b.service c.service\n", "[Unit]\nAfter=c.service b.service\n"),
        ('[Service]\nExecStart=a "--timeout=9"\n', "[Service]\nExecStart=a --timeout=9\n"),
        (
            "[Service]\nExecStart=/run/current-system/systemd/bin/a\n",
            f"[Service]\nExecStart=/nix/store/{'a' * 32}-systemd-257.9/bin/a\n",
        ),
    ],
)
def test_units(real: str, miniature: str, tmp_path: Path) -> None:
    lines = [differences.unit(host(text, tmp_path), "a.service") for text in (real, miniature)]

    assert differences.of_lines("a.service", *lines) == ""


def test_a_setting_more_is_a_difference(tmp_path: Path) -> None:
    lines = [
        differences.unit(host(text, tmp_path), "a.service")
        for text in ("[Service]\nUser=a\n", "[Service]\n")
    ]

    assert differences.of_lines("a.service", *lines) == "a.service: [Service] User=a (NixOS alone)"


def test_rules_of_a_firewall() -> None:
    nixos = 'chain a {\n  tcp dport 1 accept comment "one: 1" # why\n  new: jump b,\n\n}\n'

    assert differences.rules(nixos) == ["chain a {", "tcp dport 1 accept", "new : jump b,", "}"]
    assert differences.rules("  new : jump b,") == ["new : jump b,"]
