"""Every rule of the stack's configuration: what is refused, and in which words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from pydantic.alias_generators import to_camel

from components import configuration, settings
from components.pins import PINS
from components.settings import ConfigurationError, Settings
from sandbox import credentials
from tests import stack
from tests.stack import (
    APPLICATION_KEY,
    BACKUP_APPLICATION_KEY,
    PROJECT,
    PUBLIC_KEY,
    REPO,
    SECRET_KEYS,
    TOKEN,
)

PRIVATE_KEY = """\
-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
-----END OPENSSH PRIVATE KEY-----
"""


@pytest.fixture(autouse=True)
def _no_token_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HCLOUD_TOKEN", raising=False)


def faults(**overrides: object) -> list[str]:
    """The lines that a configuration is refused with; none where it is taken."""
    return faults_of(stack.config(**overrides))


def faults_of(config: dict[str, str], secrets: Iterable[str] = SECRET_KEYS) -> list[str]:
    try:
        settings.parse(config, secrets)
    except ConfigurationError as error:
        head, *lines = str(error).splitlines()
        assert head.startswith("1 fault" if len(lines) == 1 else f"{len(lines)} faults")
        assert "nothing has been changed" in head
        return [line.removeprefix("  ") for line in lines]
    return []


def shipped() -> list[str]:
    """The releases that nix/pins.json has a pin for."""
    return sorted(json.loads(PINS.read_text())["nixpkgs"])


def test_a_valid_stack_is_taken() -> None:
    taken = stack.settings_of()

    assert taken.domain == "plex.films.sandbox"
    assert taken.administrators == {"alice": (PUBLIC_KEY,)}
    assert taken.b2_application_key.get_secret_value() == APPLICATION_KEY
    assert (taken.server_type, taken.time_zone, taken.packages) == ("cx23", "UTC", ("htop",))


def test_settings_and_pulumi_yaml_have_the_same_keys() -> None:
    assert {to_camel(name) for name in Settings.model_fields} == set(stack.declared())


def test_no_default_hides_in_the_program() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.is_required()] == []


def test_every_key_has_a_type_and_a_description() -> None:
    for key, declaration in stack.declared().items():
        assert {"type", "description"} <= set(declaration), key


def test_the_stack_to_copy_names_every_key_with_its_default() -> None:
    text = (REPO / "Pulumi.prod.yaml").read_text()
    named = dict(re.findall(rf"^  (?:# )?{PROJECT}:(\w+): ?(.*)$", text, flags=re.MULTILINE))

    # Secrets are set by command, so that they are stored encrypted; `dns` stands for its other value.
    by_command = {"b2ApplicationKey", "backupApplicationKey", "notifyUrl"}
    assert set(named) | by_command == set(stack.declared())
    for key in by_command:
        assert f"pulumi config set --secret {key}" in text
    for key, declaration in stack.declared().items():
        given = ("dns", "dnsZone", "backupKeyId", "nixosRelease", *by_command)
        if "default" in declaration and key not in given:
            assert yaml.safe_load(named[key]) == declaration["default"], key


@pytest.mark.parametrize("name", ["Pulumi.prod.yaml", "Pulumi.sandbox.yaml"])
def test_the_stacks_that_are_shipped_know_no_other_keys(name: str) -> None:
    config = yaml.safe_load((REPO / name).read_text())["config"]
    ours = {key.removeprefix(f"{PROJECT}:") for key in config if key.startswith(f"{PROJECT}:")}

    assert ours <= set(stack.declared())


def test_the_stack_to_copy_is_refused_until_it_is_filled_in() -> None:
    copied = yaml.safe_load((REPO / "Pulumi.prod.yaml").read_text())["config"]
    values = {key.removeprefix(f"{PROJECT}:"): value for key, value in copied.items()}

    lines = faults(**values)

    assert {line.split(":")[0].split(".")[0] for line in lines} == set(values)


def test_the_sandboxs_stack_is_valid_with_the_sandboxs_own_secrets() -> None:
    shipped = yaml.safe_load((REPO / "Pulumi.sandbox.yaml").read_text())["config"]
    secrets = {
        key for key, value in shipped.items() if isinstance(value, dict) and "secure" in value
    }
    assert secrets == SECRET_KEYS - {f"{PROJECT}:notifyUrl"}
    values = {
        key.removeprefix(f"{PROJECT}:"): value
        for key, value in shipped.items()
        if key.startswith(f"{PROJECT}:") and key not in secrets
    }

    opening = {
        "b2ApplicationKey": credentials.B2_APPLICATION_KEY,
        "backupApplicationKey": credentials.BACKUP_APPLICATION_KEY,
    }
    assert faults(**values, **opening) == []
    assert values["b2KeyId"] == credentials.B2_KEY_ID
    assert values["b2Bucket"] == credentials.B2_BUCKET
    assert values["backupKeyId"] == credentials.BACKUP_KEY_ID
    assert stack.settings_of(**values, **opening).library_bucket == credentials.BACKUP_BUCKET
    assert values["dnsZone"] == credentials.ZONE


REFUSED: dict[str, list[object]] = {
    "domain": [
        "https://plex.films.org",
        "plex.films.org.",
        "Plex.Films.org",
        "films",
        "plex.films.org/web",
        "plex films.org",
        "-plex.films.org",
        "192.0.2.1",
        "",
        f"{'a' * 64}.films.org",
    ],
    "dnsZone": ["films", "films.org.", "https://films.org"],
    "acmeEmail": ["owner", "owner@", "owner@films", "a b@films.org", ""],
    "serverType": ["", "CX23", "large", "cx23; rm"],
    "location": ["", "Falkenstein", "fsn1-dc14"],
    "dns": ["cloudflare", "Hetzner", ""],
    "b2Bucket": ["short", "has_underscore", "has a space", "b2-reserved", "a" * 64, ""],
    # The two last: what YAML makes of a keyID of digits alone.
    "b2KeyId": ["short", "g" * 25, "0" * 24, "", "5.123412341234e+21", "86622876"],
    "backupBucket": ["short", "has_underscore", "b2-reserved", "a" * 64],
    "backupPrefix": ["/", "a/", "/a", "a//b", "..", "a/../b", "a b", "a\\b", "ä", "a" * 201],
    "backupKeyId": ["short", "g" * 25, "86622876"],
    "cacheGigabytes": [-1, 10_001, 1.5],
    "refreshMinutes": [-1, 1441, 1.5],
    "nixosRelease": ["26.5", "26.1", "26.06", "unstable", "nixos-26.05", "26.05.1"],
    "hostName": ["Plex", "plex.films.org", "-plex", "plex-", "a" * 64, "two words", ""],
    "timeZone": ["Berlin", "Europe/Berlim", "CEST", "localtime", "Factory", "../etc/passwd", ""],
    "packages": [["htop; rm"], ["${htop}"], [""], ["a b"], ["htop", "1password"], [".htop"]],
    "autoUpgradeWindow": [
        "3-5",
        "03:00",
        "24:00-25:00",
        "03:00-03:00",
        "03:60-04:00",
        "0\u0663:00-05:00",
        "",
    ],
    "administrators": [
        {},
        {"alice": []},
        {"root": [PUBLIC_KEY]},
        {"plex": [PUBLIC_KEY]},
        {"Alice": [PUBLIC_KEY]},
        {"a b": [PUBLIC_KEY]},
        {"alice": ["ssh-ed25519"]},
        {"alice": ["ssh-ed25519 AAAA alice@laptop"]},
        {"alice": ["~/.ssh/id_ed25519.pub"]},
        {"alice": [f"{PUBLIC_KEY}\n{PUBLIC_KEY}"]},
        {"alice": [f"{PUBLIC_KEY}\0"]},
        {"alice": PUBLIC_KEY},
    ],
    "sshNetworks": [
        [],
        ["everywhere"],
        ["198.51.100.0/33"],
        ["198.51.100.0/24", "home"],
        ["198.51.100.256"],
        [""],
    ],
    "acknowledgeSeconds": [9, 3601],
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in REFUSED.items() for value in values]
)
def test_a_value_that_is_none_is_one_line_with_its_key_and_the_value_received(
    key: str, value: object
) -> None:
    (line,) = faults(**{key: value})

    assert re.match(rf"{key}\b", line)
    received = line.rpartition("; got ")[2]
    assert received in json.dumps(value, ensure_ascii=False)
    assert received


def test_a_fault_in_a_list_says_which_item() -> None:
    assert faults(sshNetworks=["198.51.100.0/24", "home"]) == [
        'sshNetworks.1: not a network such as 198.51.100.0/24 or 2001:db8::/32; got "home"'
    ]


def test_a_fault_is_one_line_whatever_was_received() -> None:
    assert faults(administrators={"a\n b": [PUBLIC_KEY]}) == [
        'administrators."a\\n b": not a user name; lower-case letters, digits, _ and -; got "a\\n b"'
    ]
    (line,) = faults(timeZone="UTC\u2028\x1b[31m\ud800")
    assert line.endswith('got "UTC\\u2028\\u001b[31m\\ud800"')


def test_an_address_within_a_network_is_told_the_network() -> None:
    (line,) = faults(sshNetworks=["198.51.100.7/24"])

    assert "the network is 198.51.100.0/24" in line
    assert faults(sshNetworks=["198.51.100.7", "2001:db8::7"]) == []


ACCEPTED: dict[str, list[object]] = {
    "domain": ["films.sandbox", "a.b.films.sandbox", "xn--bcher-kva.films.sandbox"],
    "acmeEmail": ["owner+plex@films.sandbox"],
    "serverType": ["cpx32", "ccx13", "cax11"],
    "location": ["hel1", "ash", "sin"],
    "b2KeyId": ["0005a1b2c3d4"],
    "backupBucket": ["", "everybodys-backups"],
    "backupPrefix": ["", "plex", "servers/plex-2_b.old"],
    "cacheGigabytes": [0, 1, 10_000],
    "refreshMinutes": [0, 1, 1440],
    "timeZone": ["Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"],
    "packages": [[], ["python3Packages.requests", "ffmpeg-full"]],
    "autoUpgradeWindow": ["23:00-01:00"],
    "administrators": [{"alice": [f"  {PUBLIC_KEY}\n"], "bob-2": [PUBLIC_KEY, PUBLIC_KEY]}],
    "sshNetworks": [["198.51.100.0/24", "2001:db8::/32"]],
    "plexLanPorts": [True, False],
    "http3": [True, False],
    "hstsWholeZone": [True, False],
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in ACCEPTED.items() for value in values]
)
def test_a_value_that_is_one_is_taken(key: str, value: object) -> None:
    assert faults(**{key: value}) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("domain", "<your domain>"),
        ("domain", "plex.example.com"),
        ("dnsZone", "example.org"),
        ("acmeEmail", "<your email>"),
        ("acmeEmail", "owner@example.com"),
        ("b2Bucket", "<bucket name>"),
        ("b2Bucket", "your-bucket"),
        ("b2KeyId", "<keyID>"),
        ("b2ApplicationKey", "<applicationKey>"),
        ("backupBucket", "<bucket name>"),
        ("backupKeyId", "<keyID for the backups>"),
        ("backupApplicationKey", "<applicationKey>"),
        ("administrators", {"<name>": [PUBLIC_KEY]}),
        ("administrators", {"alice": ["<the line in ~/.ssh/id_ed25519.pub>"]}),
        ("administrators", {"alice": ["ssh-ed25519 AAAA… alice@laptop"]}),
    ],
)
def test_a_placeholder_is_named_as_one(key: str, value: object) -> None:
    (line,) = faults(**{key: value})

    assert line.startswith(key)
    assert "a placeholder was left in; put your own value here" in line


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("packages", "htop", "packages: not a list; write each item on a line of its own"),
        ("sshNetworks", "198.51.100.7", "sshNetworks: not a list;"),
        ("administrators", {"alice": PUBLIC_KEY}, "administrators.alice: not a list;"),
        ("administrators", {"alice": None}, "administrators.alice: not a list;"),
        ("administrators", [PUBLIC_KEY], "administrators: not a table; write each name"),
        ("administrators", "alice", "administrators: not a table;"),
        # A key whose comment has a colon in it, without quotes around the line.
        ("administrators", {"alice": [{"ssh-ed25519 AAAA a": "b"}]}, ".0: not a text; put it in"),
        ("cacheGigabytes", "20GB", "cacheGigabytes: not a whole number;"),
        ("cacheGigabytes", 1.5, "cacheGigabytes: not a whole number;"),
        ("protect", "perhaps", "protect: neither true nor false;"),
        ("hstsWholeZone", "films.sandbox", "hstsWholeZone: neither true nor false;"),
    ],
)
def test_a_value_of_another_kind_is_told_in_plain_words(
    key: str, value: object, words: str
) -> None:
    (line,) = faults(**{key: value})

    assert words in line


@pytest.mark.parametrize(
    "url", ["ntfy.sh/films", "ftp://ntfy.sh/films", "https://", 'https://ntfy.sh/"', "https://a b"]
)
def test_an_address_that_is_none_is_not_shown(url: str) -> None:
    (line,) = faults(notifyUrl=url)

    assert line.startswith("notifyUrl: not an address that begins with https://")
    assert line.endswith("(the value is not shown)")
    assert faults(notifyUrl="https://ntfy.sh/films-7f3a") == []


def test_the_two_parts_of_a_key_of_b2_are_told_apart() -> None:
    (line,) = faults(b2ApplicationKey="0005a1b2c3d4e5f0000000001")
    assert line.startswith("b2ApplicationKey: a keyID; the applicationKey is what B2 shows once")

    (line,) = faults(b2KeyId=APPLICATION_KEY)
    assert line.startswith("b2KeyId: not a keyID; it has 25 hexadecimal digits")


def test_the_two_parts_of_the_backups_key_are_told_apart_too() -> None:
    (line,) = faults(backupApplicationKey="0005a1b2c3d4e5f0000000002")
    assert line.startswith("backupApplicationKey: a keyID; the applicationKey is what B2 shows")
    assert line.endswith("(the value is not shown)")

    (line,) = faults(backupKeyId=BACKUP_APPLICATION_KEY)
    assert line.startswith("backupKeyId: not a keyID;")
    assert BACKUP_APPLICATION_KEY not in line


def test_backups_need_a_key_and_say_what_it_has_to_be_for() -> None:
    lines = faults(backupKeyId="", backupApplicationKey="")

    assert lines == [
        "backupKeyId: missing; make a key that may read and write the bucket films-and-music-library, "
        "and set its keyID with `pulumi config set backupKeyId …`; or set libraryBackup to false, and the "
        "library goes with the server",
        "backupApplicationKey: missing; set that of backupKeyId's key with `pulumi config set --secret "
        "backupApplicationKey`; or set libraryBackup to false, and the library goes with the server",
    ]
    (line, _) = faults(backupKeyId="", backupApplicationKey="", backupBucket="everybodys-backups")
    assert "read and write the bucket everybodys-backups, and" in line
    assert faults(backupKeyId="", backupApplicationKey="", libraryBackup=False) == []


def test_the_backups_key_is_one_of_its_own() -> None:
    (line,) = faults(backupKeyId="0005a1b2c3d4e5f0000000001")

    assert line.startswith("backupKeyId: the same as b2KeyId; make a key of its own that may read")


def test_the_backups_bucket_is_named_after_the_medias_where_that_fits() -> None:
    assert stack.settings_of().library_bucket == "films-and-music-library"
    assert stack.settings_of(backupBucket="others").library_bucket == "others"
    assert faults(b2Bucket="a" * 55) == []

    (line,) = faults(b2Bucket="a" * 56)
    assert line.startswith("backupBucket: missing;")
    assert "has 64 characters, and a bucket's name 63 at most, so name another one" in line
    assert faults(b2Bucket="a" * 56, backupBucket="others") == []
    assert faults(b2Bucket="a" * 56, libraryBackup=False) == []


@pytest.mark.parametrize("token", [TOKEN[:-1], f"{TOKEN} ", APPLICATION_KEY, "<your token>"])
def test_a_token_that_is_none_is_told_without_showing_it(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "hcloud:token: not an API token of Hetzner's; it has 64 letters and digits"
    config = stack.config() | {"hcloud:token": token}
    assert faults_of(config) == [f"{said} (the value is not shown)"]

    del config["hcloud:token"]
    monkeypatch.setenv("HCLOUD_TOKEN", token)
    assert faults_of(config) == [f"{said} (the value is not shown)"]


def test_a_type_of_arm_needs_the_installer_for_arm() -> None:
    assert faults(serverType="cax11") == []

    (line,) = faults(serverType="cax11", nixosRelease=shipped()[-1], pins="nowhere.json")
    assert "the installer for aarch64" in line
    assert line.endswith("`make pins ARCHITECTURE=aarch64`")


def test_a_release_without_a_pin_is_told_the_command_that_makes_one() -> None:
    (line,) = faults(nixosRelease="25.11", pins="nowhere.json")

    known = ", ".join(shipped())
    assert line.startswith(f'nixosRelease: no pin for "25.11"; there are pins for {known}, ')
    assert line.endswith("`make pins RELEASE=25.11` makes one")


@pytest.mark.parametrize("pins", ["tests/pins.json", "nowhere.json"])
def test_a_stack_without_a_release_is_told_what_to_run_and_nothing_of_pins(pins: str) -> None:
    (line,) = faults(nixosRelease="", pins=pins)

    assert line == (
        "nixosRelease: missing; run `make pins`, which pins the newest stable release, and then the "
        "`pulumi config set nixosRelease …` that it prints"
    )


def test_no_release_is_any_stacks_by_default() -> None:
    assert stack.declared()["nixosRelease"]["default"] == ""


def test_all_faults_are_reported_at_once() -> None:
    config = stack.config(
        domain="films",
        timeZone="Berlin",
        cacheGigabytes=-1,
        administrators={"root": ["ssh-dss AAAA"]},
        nixosRelease="25.11",
        timezone="UTC",
        backupKeyId="",
    )

    lines = faults_of(config, secrets=[])

    assert [line.split(":")[0] for line in lines] == [
        "timezone",
        "domain",
        "cacheGigabytes",
        "timeZone",
        "administrators.root",
        "administrators.root.0",
        "backupKeyId",
        "b2ApplicationKey",
        "backupApplicationKey",
        "notifyUrl",
        "hcloud",
        "nixosRelease",
    ]


@pytest.mark.parametrize(
    ("wrong", "known"),
    [("timezone", "timeZone"), ("servertype", "serverType"), ("administrator", "administrators")],
)
def test_an_unknown_key_is_told_the_nearest_known_one(wrong: str, known: str) -> None:
    assert faults(**{wrong: "x"}) == [f"{wrong}: unknown key; did you mean {known}?"]


def test_an_unknown_key_like_no_other_is_told_none() -> None:
    assert faults(zzz="x") == ["zzz: unknown key"]


def test_a_key_in_no_known_namespace_is_a_fault() -> None:
    lines = faults_of(stack.config() | {"plex-on-nixs:domain": "plex.films.org"})

    assert lines == ["plex-on-nixs:domain: unknown namespace; did you mean plex-on-nixos?"]


def test_keys_of_the_providers_are_theirs() -> None:
    assert faults_of(stack.config() | {"hcloud:endpoint": "http://127.0.0.1:8000/v1"}) == []


@pytest.mark.parametrize(
    ("domain", "zone", "lies_in_it"),
    [
        ("plex.films.org", "films.org", True),
        ("films.org", "films.org", True),
        ("plex.myfilms.org", "films.org", False),
        ("films.org", "plex.films.org", False),
    ],
)
def test_a_domain_lies_in_its_zone(domain: str, zone: str, lies_in_it: bool) -> None:
    expected = [] if lies_in_it else [f'domain: "{domain}" does not lie in dnsZone "{zone}"']

    assert faults(domain=domain, dnsZone=zone) == expected
    assert faults(domain=domain, dnsZone=zone, dns="external") == []


def test_dns_at_hetzner_needs_a_zone() -> None:
    (line,) = faults(dnsZone="")

    assert line.startswith("dnsZone: missing;")
    assert faults(dnsZone="", dns="external") == []


def test_a_missing_value_says_how_to_set_it() -> None:
    assert faults(domain=None) == ["domain: missing; set it with `pulumi config set domain …`"]


def test_missing_secrets_say_how_to_set_them_as_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    config = stack.config(b2ApplicationKey=None)
    del config["hcloud:token"]

    assert faults_of(config) == [
        "b2ApplicationKey: missing; set it with `pulumi config set --secret b2ApplicationKey …`",
        "hcloud:token: missing; set it with `pulumi config set --secret hcloud:token`",
    ]

    monkeypatch.setenv("HCLOUD_TOKEN", TOKEN)
    assert len(faults_of(config)) == 1


@pytest.mark.parametrize("key", sorted(SECRET_KEYS))
def test_a_secret_stored_in_the_clear_is_a_fault(key: str) -> None:
    (line,) = faults_of(stack.config(), SECRET_KEYS - {key})

    assert line.startswith(f"{key.removeprefix(f'{PROJECT}:')}: stored in the clear;")
    assert f"pulumi config set --secret {key}" in line


def test_no_secret_is_ever_shown() -> None:
    config = stack.config(
        b2ApplicationKey=f"{APPLICATION_KEY} {APPLICATION_KEY}",
        b2KeyId=APPLICATION_KEY,  # the two are easily swapped
        backupBucket=BACKUP_APPLICATION_KEY,
        backupPrefix=f"{BACKUP_APPLICATION_KEY}/",
        backupKeyId=BACKUP_APPLICATION_KEY,
        backupApplicationKey=f"{BACKUP_APPLICATION_KEY} ",
        acmeEmail=PRIVATE_KEY,
        sshNetworks=[PRIVATE_KEY],
        administrators={"alice": [PRIVATE_KEY, *PRIVATE_KEY.splitlines()], "bob": PRIVATE_KEY},
    )

    lines = faults_of(config, secrets=[])

    text = "\n".join(lines)
    assert {line.split(":")[0].split(".")[0] for line in lines} >= {
        "b2ApplicationKey",
        "b2KeyId",
        "backupKeyId",
        "backupApplicationKey",
        "acmeEmail",
        "sshNetworks",
        "administrators",
    }
    for secret in (APPLICATION_KEY, BACKUP_APPLICATION_KEY, TOKEN, *PRIVATE_KEY.splitlines()[1:2]):
        assert secret not in text


def test_a_private_key_in_place_of_the_public_one_is_named() -> None:
    (line,) = faults(administrators={"alice": [PRIVATE_KEY]})

    assert line == (
        "administrators: a private key; give the public one, the line in the file that ends in .pub "
        "(the value is not shown)"
    )


def test_a_weak_key_is_refused() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()
    text = weak.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

    (line,) = faults(administrators={"alice": [text]})

    assert "an RSA key of 1024 bits is too weak" in line


def test_secrets_hide_in_the_settings_themselves() -> None:
    assert APPLICATION_KEY not in repr(stack.settings_of())
    assert BACKUP_APPLICATION_KEY not in repr(stack.settings_of())


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        stack.settings_of().domain = "other.films.sandbox"  # type: ignore[misc]  # it is frozen


# Anything that JSON can hold, in every place: only ever a refusal in plain lines, or a configuration that
# can be written down for the host.
TEXT = st.text(st.characters(exclude_categories=[])) | st.sampled_from(
    ["\0", "''${x}''", '"', "\\", "a\nb", "\x1b[31m", "\u2028", "\ud800", "𝄞", "--", PRIVATE_KEY]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
KEYS = sorted(stack.declared())


def _taken_or_refused_in_lines(config: dict[str, str]) -> None:
    try:
        taken = settings.parse(config, SECRET_KEYS)
    except ConfigurationError as error:
        message = str(error)
        message.encode()  # it goes over the wire to the engine
        assert len(message.splitlines()) == message.count("\n  ") + 1
        assert len(message.splitlines()) == int(message.split()[0]) + 1
    else:
        assert all(configuration.files(taken, "prod").values())


@given(st.dictionaries(st.sampled_from(KEYS), JSON, min_size=1, max_size=3))
def test_hostile_values_are_refused_and_never_crash(values: dict[str, object]) -> None:
    _taken_or_refused_in_lines(stack.config(**values))


@given(st.dictionaries(st.sampled_from(KEYS), TEXT, min_size=1, max_size=3))
def test_values_that_are_no_json_are_refused_and_never_crash(values: dict[str, str]) -> None:
    _taken_or_refused_in_lines(stack.config() | {f"{PROJECT}:{key}": values[key] for key in values})


@given(comment=TEXT, name=st.from_regex(r"[a-z][a-z0-9_'$-]*", fullmatch=True))
def test_hostile_administrators_are_refused_and_never_crash(comment: str, name: str) -> None:
    _taken_or_refused_in_lines(
        stack.config(administrators={name: [f"{PUBLIC_KEY} {comment}"]}, packages=[name])
    )


@pytest.mark.parametrize("deep", ["[" * 100_000, "9" * 5_000, "{", "NaN", "[1,]"])
def test_json_that_python_cannot_read_is_a_fault_of_its_key(deep: str) -> None:
    (line,) = faults_of(stack.config() | {f"{PROJECT}:cacheGigabytes": deep})

    assert line.startswith("cacheGigabytes: ")


def test_a_providers_values_for_all_stacks_may_stand_in_pulumi_yaml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (REPO / "Pulumi.yaml").read_text()
    (tmp_path / "Pulumi.yaml").write_text(
        text.replace("\nconfig:\n", "\nconfig:\n  hcloud:pollInterval: 1s\n")
    )
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    pins = str(REPO / "tests/pins.json")

    assert settings.parse(stack.config(pins=pins) | {"hcloud:pollInterval": "1s"}, SECRET_KEYS)
