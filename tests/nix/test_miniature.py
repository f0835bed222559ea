"""The miniature nixpkgs: its module system, what its modules make of a configuration, and its tarball."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from sandbox.nixpkgs import tarball
from tests.nix.evaluation import EvaluationError, evaluate

NIXPKGS = Path(tarball.__file__).parent

# Options of NixOS that its manual's list does not have.
UNLISTED = {"networking.nftables.tables"}

# What no system is without.
BASE = """
  boot.loader.grub.devices = [ "/dev/sda" ];
  fileSystems."/" = { device = "/dev/disk/by-label/nixos"; fsType = "ext4"; };
  networking.useNetworkd = true;
"""

Evaluate = Callable[[str], Any]  # as Nix's JSON has it


@pytest.fixture
def nix(tmp_path: Path) -> Evaluate:
    """The value of an expression, in which `system MODULES` is an evaluated system and `lib` is ours."""

    def value(expression: str) -> Any:
        prelude = f"""
          let
            lib = import <nixpkgs/lib>;
            system = modules: import <nixpkgs/nixos/lib/eval-config.nix> {{
              system = "x86_64-linux";
              modules = [ {{ {BASE} }} ] ++ modules;
            }};
            module = file: contents: {{ _file = file; config = contents; }};
          in
        """
        return evaluate(prelude + expression, tmp_path, {"nixpkgs": NIXPKGS})

    return value


class Store:
    """A store of its own, in which derivations are really built."""

    def __init__(self, folder: Path) -> None:
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "NIX_PATH": f"nixpkgs={NIXPKGS}",
            "NIX_STORE_DIR": str(folder / "store"),
            "NIX_STATE_DIR": str(folder / "state"),
            "NIX_LOG_DIR": str(folder / "log"),
            "NIX_CONFIG": "sandbox = false\nsubstitute = false\nbuild-users-group =\n",
        }
        self._folder = folder

    def build(self, expression: str) -> Path:
        """The path that a derivation is built at."""
        command = ["nix-build", "--no-out-link", "-E", expression]
        done = subprocess.run(
            command,
            env=self._environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("nix"))


def built(store: Store, module: str, what: str) -> Path:
    """One of the things that a system with a module is made of."""
    return store.build(f"""
      (import <nixpkgs/nixos> {{ configuration = {{ imports = [ {{ {BASE} }} ({module}) ]; }}; }}).{what}
    """)


# --- merging and priorities


@pytest.mark.parametrize(
    ("definitions", "expected"),
    [
        ('[ { time.timeZone = "UTC"; } ]', "UTC"),
        (
            '[ { time.timeZone = lib.mkDefault "UTC"; } { time.timeZone = "Asia/Tokyo"; } ]',
            "Asia/Tokyo",
        ),
        ('[ { time.timeZone = lib.mkForce "UTC"; } { time.timeZone = "Asia/Tokyo"; } ]', "UTC"),
        ('[ { time.timeZone = lib.mkIf false "UTC"; } ]', None),
        ('[ (lib.mkIf true { time.timeZone = "UTC"; }) ]', "UTC"),
        ('[ (lib.mkMerge [ { time.timeZone = "UTC"; } { networking.hostName = "a"; } ]) ]', "UTC"),
        ("[ ({ config, ... }: { time.timeZone = config.networking.domain; }) ]", None),
    ],
)
def test_one_value(nix: Evaluate, definitions: str, expected: str | None) -> None:
    assert nix(f"(system {definitions}).config.time.timeZone") == expected


def test_lists_are_joined_in_their_order(nix: Evaluate) -> None:
    value = nix("""
      (system [
        { networking.nameservers = [ "middle" ]; }
        { networking.nameservers = lib.mkAfter [ "last" ]; }
        { networking.nameservers = lib.mkBefore [ "first" ]; }
      ]).config.networking.nameservers
    """)
    assert value == ["first", "middle", "last"]


def test_attribute_sets_are_merged(nix: Evaluate) -> None:
    value = nix("""
      let s = (system [
        { systemd.services.a = { after = [ "x.service" ]; serviceConfig.User = "u"; }; }
        { systemd.services.a.serviceConfig.Type = lib.mkDefault "simple"; }
        { systemd.services.a.serviceConfig.ExecStartPre = [ "one" ]; }
        { systemd.services.a.serviceConfig.ExecStartPre = [ "two" ]; }
        { systemd.services.a.serviceConfig.Type = "oneshot"; }
      ]).config.systemd.services.a; in
      { inherit (s) after; inherit (s.serviceConfig) User Type ExecStartPre; }
    """)
    assert value["after"] == ["x.service"]
    assert (value["User"], value["Type"]) == ("u", "oneshot")
    assert sorted(value["ExecStartPre"]) == ["one", "two"]


def test_a_module_is_imported_once(nix: Evaluate, tmp_path: Path) -> None:
    (tmp_path / "shared.nix").write_text('{ networking.nameservers = [ "once" ]; }')
    imports = "{ imports = [ ./shared.nix ]; }"
    assert nix(f"(system [ {imports} {imports} ]).config.networking.nameservers") == ["once"]


# --- what is refused, and in which words


@pytest.mark.parametrize(
    ("definition", "asked", "words"),
    [
        (
            "{ services.plexx.enable = true; }",
            "config.time.timeZone",
            "The option `services.plexx' does not exist. Definition values:\n- In `/etc/nixos/a.nix':",
        ),
        (
            "{ services.plex.managePlugins = true; }",
            "config.time.timeZone",
            "The option `services.plex.managePlugins' does not exist. Definition values:\n"
            "- In `/etc/nixos/a.nix': true",
        ),
        (
            '{ services.nginx.virtualHosts."a.b".forseSSL = true; }',
            'config.services.nginx.virtualHosts."a.b".forceSSL',
            'The option `services.nginx.virtualHosts."a.b".forseSSL\' does not exist. Definition values:\n'
            "- In `/etc/nixos/a.nix': true",
        ),
        (
            '{ networking.useNetworkd = lib.mkForce "yes"; }',
            "config.networking.useNetworkd",
            "A definition for option `networking.useNetworkd' is not of type `boolean'. Definition values:\n"
            '- In `/etc/nixos/a.nix\': "yes"',
        ),
        (
            "{ networking.firewall.allowedTCPPorts = [ 80 70000 ]; }",
            "config.networking.firewall.allowedTCPPorts",
            'A definition for option `networking.firewall.allowedTCPPorts."[definition 1-entry 2]"\' is not '
            "of type `16 bit unsigned integer; between 0 and 65535 (both inclusive)'. Definition values:\n"
            "- In `/etc/nixos/a.nix': 70000",
        ),
        (
            '{ networking.hostName = "a_b.c"; }',
            "config.networking.hostName",
            "A definition for option `networking.hostName' is not of type "
            "`string matching the pattern ^$|^[[:alnum:]]([[:alnum:]_-]{0,61}[[:alnum:]])?$'.",
        ),
        (
            '{ systemd.services.a.after = [ "network" ]; }',
            "config.systemd.services.a.after",
            'A definition for option `systemd.services.a.after."[definition 1-entry 1]"\' is not of type '
            "`string matching the pattern",
        ),
        (
            'lib.mkMerge [ { networking.domain = "a"; } { networking.domain = "b"; } ]',
            "config.networking.domain",
            "The option `networking.domain' has conflicting definition values:\n"
            '- In `/etc/nixos/a.nix\': "a"\n- In `/etc/nixos/a.nix\': "b"\n'
            "Use `lib.mkForce value` or `lib.mkDefault value` to change the priority on any of these "
            "definitions.",
        ),
        (
            "{ services.nginx = true; }",
            "config.time.timeZone",
            "The option `services.nginx' is a set of options",
        ),
    ],
)
def test_refused_with_its_name_and_place(
    nix: Evaluate, definition: str, asked: str, words: str
) -> None:
    with pytest.raises(EvaluationError) as refused:
        nix(f'(system [ (module "/etc/nixos/a.nix" ({definition})) ]).{asked}')
    # Nix indents the lines of a message.
    assert words in re.sub(r"\n +", "\n", str(refused.value))


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (
            "boot.loader.grub.devices = lib.mkForce [ ];",
            "You must set the option ‘boot.loader.grub.devices’",
        ),
        (
            "users.mutableUsers = false;",
            "Neither the root account nor any wheel user has a password",
        ),
        (
            "users.users.a = { };",
            "Exactly one of users.users.a.isSystemUser and users.users.a.isNormalUser must be set.",
        ),
        (
            "services.nginx = { enable = true; virtualHosts.a.enableACME = true; };",
            "terms of service",
        ),
        (
            "services.nginx.enable = true;"
            "services.nginx.virtualHosts.a = { rejectSSL = true; addSSL = true;"
            'sslCertificate = "/c"; sslCertificateKey = "/k"; };',
            "mutually exclusive",
        ),
        ('assertions = [ { assertion = false; message = "not like this"; } ];', "- not like this"),
    ],
)
def test_failed_assertions_stop_the_system(nix: Evaluate, module: str, words: str) -> None:
    with pytest.raises(EvaluationError, match="Failed assertions") as refused:
        nix(f"(system [ {{ {module} }} ]).config.system.build.toplevel.drvPath")
    assert words in str(refused.value)


def test_unfree_packages_have_to_be_allowed(nix: Evaluate) -> None:
    plex = "users.allowNoPasswordLogin = true; services.plex.enable = true;"
    toplevel = "config.system.build.toplevel.drvPath"

    with pytest.raises(
        EvaluationError, match=r"‘plexmediaserver-.*’ has an unfree license .*refusing"
    ):
        nix(f"(system [ {{ {plex} }} ]).{toplevel}")
    with pytest.raises(EvaluationError, match="has an unfree license"):
        nix(
            f"(system [ {{ {plex} nixpkgs.config.allowUnfreePredicate = p: lib.getName p == "
            f'"other"; }} ]).{toplevel}'
        )
    for allowed in (
        'allowUnfreePredicate = p: lib.getName p == "plexmediaserver"',
        "allowUnfree = true",
    ):
        assert nix(f"(system [ {{ {plex} nixpkgs.config.{allowed}; }} ]).{toplevel}")


def test_every_option_is_one_of_nixos_with_its_type(nix: Evaluate) -> None:
    table = gzip.decompress((Path(__file__).parent / "nixos-options.tsv.gz").read_bytes()).decode()
    known = {}
    for line in table.splitlines():
        if not line.startswith("#"):
            name, kind = line.split("\t")
            known[re.sub(r"<[^>]*>", "<name>", name)] = kind

    declared = {
        option["name"]: option["type"]
        for option in nix("lib.optionAttrSetToDocList (system [ ]).options")
        if not option["internal"] and not option["name"].startswith(tuple(UNLISTED))
    }

    assert len(declared) > 500
    assert {name: known.get(name) for name in declared} == declared


# --- what becomes of a configuration

UNIT = """{ pkgs, ... }: {
  systemd.services.a = {
    description = "A service";
    wantedBy = [ "multi-user.target" ];
    after = [ "b.service" "c.service" ];
    path = [ pkgs.jq ];
    environment = { QUOTED = "with \\"quotes\\" and $"; GONE = null; };
    unitConfig.StartLimitIntervalSec = 0;
    script = "exec true";
    restartIfChanged = false;
    startAt = "daily";
    restartTriggers = [ "one" ];
    serviceConfig = { RemainAfterExit = true; ExecStartPre = [ "-/first" "/second" ]; Type = "oneshot"; };
  };
  systemd.services.b.enable = false;
}"""


def unit(nix: Evaluate, module: str, name: str) -> str:
    """A unit's text."""
    text = nix(f'(system [ ({module}) ]).config.systemd.units."{name}".text')
    assert isinstance(text, str)
    return text


def test_a_units_text(nix: Evaluate) -> None:
    text = unit(nix, UNIT, "a.service")

    path = re.search(r'^Environment="PATH=(.*)"$', text, re.MULTILINE)
    assert path
    names = [re.sub(r".*/[a-z0-9]{32}-|/s?bin$", "", part) for part in path[1].split(":")]
    assert names[:6] == [
        f"{name}-debian"
        for name in ("jq", "coreutils", "findutils", "gnugrep", "gnused", "systemd")
    ]
    start = re.search(r"^ExecStart=\S*-unit-script-a-start$", text, re.MULTILINE)
    assert start
    expected = [
        "[Unit]",
        "After=b.service c.service",
        "Description=A service",
        "StartLimitIntervalSec=0",
        "X-Restart-Triggers=one",
        "",
        "[Service]",
        path[0],
        'Environment="QUOTED=with \\"quotes\\" and $"',
        "X-RestartIfChanged=false",
        "ExecStartPre=-/first",
        "ExecStartPre=/second",
        start[0],
        "RemainAfterExit=true",
        "Type=oneshot",
    ]
    lines = text.splitlines()
    assert sorted(lines) == sorted(expected)
    assert lines[:9] == expected[:9]
    assert "OnCalendar=daily" in unit(nix, UNIT, "a.timer")


WEB = """{
  security.acme = { acceptTerms = true; defaults.email = "a@b.de"; };
  services.nginx = {
    enable = true;
    recommendedProxySettings = true;
    recommendedGzipSettings = true;
    recommendedTlsSettings = true;
    commonHttpConfig = "log_not_found off;";
    appendHttpConfig = "reset_timedout_connection on;";
    virtualHosts."_" = { default = true; rejectSSL = true; locations."/".return = "444"; };
    virtualHosts."films.test" = {
      forceSSL = true;
      enableACME = true;
      serverAliases = [ "www.films.test" ];
      extraConfig = "send_timeout 100m;";
      locations."/" = {
        proxyPass = "http://127.0.0.1:32400";
        proxyWebsockets = true;
        extraConfig = "proxy_buffering off;";
      };
      locations."/first" = { priority = 10; return = "204"; };
      locations."/own" = { proxyPass = "http://127.0.0.1:1"; recommendedProxySettings = false; };
    };
  };
}"""


def test_nginx_in_nixos_order(store: Store) -> None:
    text = built(store, WEB, "config.system.build.nginxConfig").read_text()

    in_order = [
        "gzip on;",
        "proxy_redirect off;",
        'proxy_set_header "Connection" "";',
        "map $http_upgrade $connection_upgrade {",
        "client_max_body_size 10m;",
        "server_tokens off;",
        "log_not_found off;",
        "listen 0.0.0.0:443 ssl default_server;",
        "ssl_reject_handshake on;",
        "return 444;",
        "return 301 https://$host$request_uri;",
        "location ^~ /.well-known/acme-challenge/ {",
        "listen [::0]:443 ssl;",
        "server_name films.test www.films.test;",
        "http2 on;",
        "ssl_certificate /var/lib/acme/films.test/fullchain.pem;",
        "location ^~ /.well-known/acme-challenge/ {",
        "location /first {",
        "location / {",
        "proxy_pass http://127.0.0.1:32400;",
        "proxy_set_header Upgrade $http_upgrade;",
        "proxy_buffering off;",
        "location /own {",
        "send_timeout 100m;",
        "reset_timedout_connection on;",
    ]
    position = 0
    for wanted in in_order:
        found = text.find(wanted, position)
        assert found >= 0, f"{wanted} is not where it should be in\n{text}"
        position = found + len(wanted)

    # What a location is passed on with: by the include, unless it says that it has its own.
    assert re.search(
        r"location / \{[^}]*proxy_buffering off;\n *include \S+set_header-headers.conf;", text
    )
    own = re.search(r"location /own \{[^}]*\}", text)
    assert own
    assert "include" not in own[0]


@pytest.mark.skipif(not shutil.which("nginx"), reason="needs nginx to ask it")
def test_nginx_takes_its_configuration(store: Store, tmp_path: Path) -> None:
    text = built(store, WEB, "config.system.build.nginxConfig").read_text()
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-subj",
                "/CN=films.test",
            ),
            *("-keyout", tmp_path / "key.pem", "-out", tmp_path / "fullchain.pem"),
        ],
        check=True,
        capture_output=True,
    )
    shutil.copy(tmp_path / "fullchain.pem", tmp_path / "chain.pem")
    text = text.replace("/var/lib/acme/films.test", str(tmp_path)).replace(
        "/run/nginx", str(tmp_path)
    )
    # Words that only later versions of nginx and of openssl know.
    text = re.sub(r"^ *(http2 on|ssl_conf_command Groups .*);\n", "", text, flags=re.MULTILINE)
    (tmp_path / "nginx.conf").write_text(text)

    done = subprocess.run(
        ["nginx", "-t", "-p", tmp_path, "-e", "stderr", "-c", tmp_path / "nginx.conf"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "syntax is ok" in done.stderr, done.stderr


def test_certificates_as_nixos_orders_them(nix: Evaluate) -> None:
    nginx = unit(nix, WEB, "nginx.service")
    assert "Before=acme-order-renew-films.test.service" in nginx
    assert "After=network.target acme-films.test.service" in nginx
    order = nix(f'(system [ {WEB} ]).config.systemd.services."acme-order-renew-films.test".script')
    assert "--server https://acme-v02.api.letsencrypt.org/directory" in order
    assert "-d films.test -d www.films.test" in order
    timer = unit(nix, WEB, "acme-order-renew-films.test.timer")
    assert "OnCalendar=daily" in timer
    assert "RandomizedDelaySec=24h" in timer


def etc(store: Store, module: str, name: str) -> str:
    """The text of a file in /etc."""
    return built(store, module, f'config.environment.etc."{name}".source').read_text()


SSH = """{
  services.openssh = {
    enable = true;
    authorizedKeysInHomedir = false;
    authorizedKeysFiles = [ "/var/lib/deploy/%u" ];
    hostKeys = [ { type = "ed25519"; path = "/etc/ssh/key"; } ];
    settings = {
      PasswordAuthentication = false;
      PermitOpen = "127.0.0.1:32400";
      AllowUsers = [ "a" "b" ];
    };
    extraConfig = "Match User a";
  };
  users.users.a = {
    isNormalUser = true;
    openssh.authorizedKeys.keys = [ "ssh-ed25519 AAAA a" ];
  };
}"""


def test_sshd_config(store: Store, nix: Evaluate) -> None:
    lines = [line for line in etc(store, SSH, "ssh/sshd_config").splitlines() if line]

    assert {
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication yes",
        "PermitOpen 127.0.0.1:32400",
        "AllowUsers a b",
        "UsePAM yes",
        "Port 22",
        "AuthorizedKeysFile /var/lib/deploy/%u /etc/ssh/authorized_keys.d/%u",
        "HostKey /etc/ssh/key",
    } <= set(lines)
    assert lines[-1] == "Match User a"
    assert "DenyUsers" not in "\n".join(lines)
    keys = nix(f"""
      let file = (system [ {SSH} ]).config.environment.etc."ssh/authorized_keys.d/a"; in
      {{ inherit (file) mode text; }}
    """)
    assert keys == {"mode": "0444", "text": "ssh-ed25519 AAAA a\n"}


NETWORK = """{
  networking.useDHCP = false;
  systemd.network.networks."10-uplink" = {
    matchConfig.Name = "en* eth*";
    networkConfig.DHCP = "ipv4";
    linkConfig.RequiredForOnline = "routable";
    address = [ "10.0.0.2/24" ];
    routes = [ { Gateway = "10.0.0.1"; GatewayOnLink = true; } ];
  };
}"""


def test_networkd_and_resolved(nix: Evaluate) -> None:
    files = nix(f"""
      builtins.mapAttrs (_: file: {{ source = toString file.source; inherit (file) text; }})
        (system [ {NETWORK} ]).config.environment.etc
    """)

    assert files["systemd/network/10-uplink.network"]["text"].split() == [
        *("[Match]", "Name=en*", "eth*"),
        *("[Link]", "RequiredForOnline=routable"),
        *("[Network]", "Address=10.0.0.2/24", "DHCP=ipv4"),
        *("[Route]", "Gateway=10.0.0.1", "GatewayOnLink=yes"),
    ]
    assert "systemd/network/99-ethernet-default-dhcp.network" not in files
    assert files["resolv.conf"]["source"] == "/run/systemd/resolve/stub-resolv.conf"


def test_firewall(nix: Evaluate) -> None:
    rules = nix("""
      (system [ {
        networking.nftables.enable = true;
        networking.firewall = {
          allowedTCPPorts = [ 443 80 80 ];
          allowPing = false;
        };
        services.openssh.enable = true;
      } ]).config.networking.nftables.tables.nixos-fw.content
    """)

    assert "tcp dport { 22, 80, 443 } accept" in rules
    assert "udp dport {  }" not in rules
    assert "echo-request" not in rules
    assert "policy drop" in rules


def test_a_release_knows_its_version(nix: Evaluate, tmp_path: Path) -> None:
    made = tarball.make("26.11", 3)
    with tarfile.open(fileobj=BytesIO(made.content), mode="r:xz") as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (top,) = (tmp_path / "unpacked").iterdir()

    version = evaluate("(import <nixpkgs/lib>).version", tmp_path, {"nixpkgs": top})

    assert top.name == f"nixos-{version}" == made.name
    assert str(version).startswith("26.11.3.")
    assert nix("lib.trivial.release") == "26.05"


# --- the tarball


def test_the_hash_is_nixs_own(tmp_path: Path) -> None:
    made = tarball.make("26.05")
    with tarfile.open(fileobj=BytesIO(made.content), mode="r:xz") as archive:
        archive.extractall(tmp_path, filter="data")

    done = subprocess.run(
        ["nix-hash", "--type", "sha256", tmp_path / made.name],
        capture_output=True,
        text=True,
        check=True,
        env={
            "PATH": os.environ["PATH"],
            "NIX_STATE_DIR": str(tmp_path),
            "NIX_STORE_DIR": str(tmp_path),
        },
    )
    sri = subprocess.run(
        [
            *("nix", "--extra-experimental-features", "nix-command", "hash", "to-sri"),
            *("--type", "sha256", done.stdout.strip()),
        ],
        capture_output=True,
        text=True,
        check=True,
        env={
            "PATH": os.environ["PATH"],
            "NIX_STATE_DIR": str(tmp_path),
            "NIX_STORE_DIR": str(tmp_path),
        },
    )

    assert sri.stdout.strip() == made.nar_hash


def test_releases_differ_by_release_and_number_and_by_nothing_else() -> None:
    first, again = tarball.make("26.05"), tarball.make("26.05")
    later, other = tarball.make("26.05", 2), tarball.make("26.11")

    assert first == again
    assert len({first.nar_hash, later.nar_hash, other.nar_hash}) == 3
    assert first.url == f"https://releases.nixos.org/nixos/26.05/{first.name}/nixexprs.tar.xz"
