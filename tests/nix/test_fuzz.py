"""Settings at random, through the templates and the real Nix, before the programs that read the result."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path
from typing import Any

import crossplane  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from components.settings import ConfigurationError
from tests import stack
from tests.nix.evaluation import evaluate
from tests.nix.miniature import NIXPKGS
from tests.nix.programs import nginx_refuses, systemd_refuses
from tests.nix.test_rendered import write

# Text at somebody's choice, and what a program might take for more than text.
HOSTILE = st.lists(
    st.sampled_from(
        [*";{}$#'\"\\%\n\r\t ", "''", "${x}", "%n", "$host", "*/", "}\nserver {", "\nUser=root\n"]
    ),
    max_size=3,
).map("".join)
LABEL = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
MAILBOX = st.from_regex(r"[a-z][a-z0-9!#$%&'*+/=?^_`{|}~-]{0,9}", fullmatch=True)
CORES: dict[str, st.SearchStrategy[Any]] = {
    "domain": st.tuples(LABEL, LABEL).map(lambda labels: f"{labels[0]}.{labels[1]}.sandbox"),
    "acmeEmail": st.tuples(MAILBOX, LABEL).map(lambda parts: f"{parts[0]}@{parts[1]}.sandbox"),
    "b2Bucket": st.from_regex(r"[A-Za-z0-9-]{6,20}", fullmatch=True),
    "hostName": LABEL,
    "timeZone": st.sampled_from(["UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+12"]),
    "autoUpgradeWindow": st.from_regex(r"[01]\d:[0-5]\d-2[0-3]:[0-5]\d", fullmatch=True),
}
KEYS = HOSTILE.map(lambda comment: f"{stack.PUBLIC_KEY} {comment}")
USERS = st.from_regex(r"[a-z][a-z0-9_-]{0,30}", fullmatch=True)
# They decide what there is, and are the same on the plain host that one is compared with.
SWITCHES = {
    "acmeStaging": st.booleans(),
    "hstsWholeZone": st.booleans(),
    "plexAudiobooks": st.booleans(),
    "plexLanPorts": st.booleans(),
    "http3": st.booleans(),
    "mediaReadOnly": st.booleans(),
    "autoUpgrade": st.booleans(),
    "autoUpgradeReboot": st.booleans(),
    "serverType": st.sampled_from(["cx23", "cax11"]),
}
ASKED = """
folders:
map (folder:
  let inherit (import <nixpkgs/nixos> { configuration = folder + "/configuration.nix"; }) config; in {
    nginx = config.system.build.nginxConfig.text;
    units = builtins.mapAttrs (_: unit: unit.text) config.systemd.units;
    authorized = map (name: config.environment.etc."ssh/authorized_keys.d/${name}".text) (
      builtins.filter (name: config.users.users.${name}.isNormalUser) (builtins.attrNames config.users.users)
    );
  }) folders
"""
OURS = re.compile(
    r"(media|plex-gate|ipv6-from-metadata|upgrade|acme-.*|nginx|plex)\.(service|timer)"
)

_folders = count()


def taken(**overrides: object) -> bool:
    """Whether a stack may have such settings."""
    try:
        stack.settings_of(**overrides)
    except ConfigurationError:
        return False
    return True


@st.composite
def stacks(draw: st.DrawFn) -> tuple[dict[str, object], dict[str, object]]:
    """Settings with hostile text wherever it is let in; and plain ones, that switch the same things on."""
    plain: dict[str, object] = {key: draw(value) for key, value in SWITCHES.items()}
    # Whether the name lies in a zone decides what HSTS says.
    plain |= {"dns": "external", "dnsZone": ""}
    wild = dict(plain)
    for key, cores in CORES.items():
        core, more = draw(cores), draw(HOSTILE)
        at = draw(st.integers(min_value=0, max_value=len(core)))
        tried = [core[:at] + more + core[at:], core]
        wild |= next(({key: one} for one in tried if taken(**{**plain, key: one})), {})
    tried_users = {draw(USERS): [draw(KEYS)], "alice": [draw(KEYS), stack.PUBLIC_KEY]}
    wild["administrators"] = {
        name: [key for key in keys if taken(administrators={name: [key]})] or [stack.PUBLIC_KEY]
        for name, keys in tried_users.items()
        if taken(administrators={name: [stack.PUBLIC_KEY]})
    }
    return wild, plain


def structure(nginx: str, folder: Path) -> list[str]:
    """The directives of an nginx.conf, each with the blocks that it is in and how much it is told."""
    (folder / "parsed.conf").write_text(nginx)
    parsed = crossplane.parse(
        str(folder / "parsed.conf"), single=True, check_ctx=False, check_args=False
    )
    assert parsed["status"] == "ok", parsed["errors"]

    def below(block: list[dict[str, Any]], above: str) -> list[str]:
        found = []
        for directive in block:
            name = f"{above}{directive['directive']}"
            found.append(f"{name} {len(directive['args'])}")
            found += below(directive.get("block", []), f"{name} > ")
        return found

    # Sites stand in the order of their names.
    return sorted(below(parsed["config"][0]["parsed"], ""))


def keys(unit: str) -> list[str]:
    """The settings of a unit without their values."""
    return [line.partition("=")[0] for line in unit.splitlines()]


# A list of stacks is one evaluation: starting Nix takes time. What fails is not made smaller, which would
# take minutes; the settings are printed.
@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(stacks(), min_size=3, max_size=3))
def test_no_setting_gets_out_of_its_place(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: list[tuple[dict[str, object], dict[str, object]]],
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    folders = []
    for overrides in (one for pair in drawn for one in pair):
        folders.append(folder / f"host-{next(_folders)}")
        folders[-1].mkdir()
        write(folders[-1], overrides)
    expression = f"({ASKED}) [ {' '.join(map(str, folders))} ]"

    hosts = evaluate(expression, folder, {"nixpkgs": NIXPKGS})

    assert isinstance(hosts, list)
    for (overrides, _), wild, plain, here in zip(
        drawn, hosts[::2], hosts[1::2], folders[::2], strict=True
    ):
        administrators = stack.settings_of(**overrides).administrators.values()
        assert sorted(text.splitlines() for text in wild["authorized"]) == sorted(
            map(list, administrators)
        )
        assert nginx_refuses(wild["nginx"], here) is None
        assert structure(wild["nginx"], here) == structure(plain["nginx"], here)
        units = {name: text for name, text in wild["units"].items() if OURS.fullmatch(name)}
        assert systemd_refuses(units, here, folder / "nix-store") is None
        assert sorted(map(keys, wild["units"].values())) == sorted(
            map(keys, plain["units"].values())
        )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http { server { listen 80 } }", 'unexpected "}"'),
        ("http { no_such_directive on; }", "unknown directive"),
        ('http { server { return 200 "a; } }', "unexpected end of file"),
    ],
)
def test_nginx_is_really_asked(text: str, words: str, tmp_path: Path) -> None:
    assert words in (nginx_refuses(f"events {{ }} {text}", tmp_path) or "")


def test_systemd_is_really_asked(tmp_path: Path) -> None:
    unit = "[Service]\nExecStart=/bin/true\nRestart=sometimes\n"

    assert "sometimes" in (systemd_refuses({"a.service": unit}, tmp_path, tmp_path) or "")
