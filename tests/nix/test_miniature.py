"""What the miniature's modules make of a configuration: the files and units that the machine runs by."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.needs import needs
from tests.nix.miniature import Evaluate, Store, built

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
    appendConfig = "worker_processes auto;";
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
        extraConfig = "proxy_max_temp_file_size 0;";
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
        "proxy_max_temp_file_size 0;",
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
        r"location / \{[^}]*proxy_max_temp_file_size 0;\n *include \S+set_header-headers.conf;",
        text,
    )
    own = re.search(r"location /own \{[^}]*\}", text)
    assert own
    assert "include" not in own[0]


def test_a_finding_is_a_failed_build_that_says_so(store: Store) -> None:
    found = WEB.replace("proxy_max_temp_file_size 0;", "proxy_buffering off;")
    with pytest.raises(AssertionError, match=r"Problem: \[proxy_buffering_off\]"):
        built(store, found, "config.system.build.nginxConfig")

    unchecked = found.replace(
        "services.nginx = {", "services.nginx = { validateConfigFile = false;", 1
    )
    text = built(store, unchecked, "config.system.build.nginxConfig").read_text()
    assert "proxy_buffering off;" in text


@needs("there is no nginx: apt install nginx-light", shutil.which("nginx"))
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
    first = unit(nix, WEB, "acme-films.test.service")
    assert "Wants=acme-setup.service acme-order-renew-films.test.service" in first
    assert "Before=acme-order-renew-films.test.service" in first
    wanted = nix(f"""
      let inherit ((system [ {WEB} ]).config.systemd) units; in
      map (name: units.${{name}}.wantedBy) [ "acme-films.test.service" "acme-order-renew-films.test.service" ]
    """)
    assert wanted == [["multi-user.target"], []], "nobody waits for the order"
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


SWAP = '{ swapDevices = [ { device = "/var/swap-file"; size = 64; options = [ "nofail" ]; } ]; }'


def test_swap_is_made_before_it_is_taken_into_use(nix: Evaluate) -> None:
    fstab = nix(f"(system [ ({SWAP}) ]).config.environment.etc.fstab.text")
    assert "\n/var/swap-file none swap nofail 0 0\n" in fstab
    # systemd writes - as \x2d in a unit's name; NixOS drops the backslash for its own.
    name = "mkswap-var-swapx2dfile.service"
    text = unit(nix, SWAP, name)
    assert 'Environment="DEVICE=/var/swap-file"' in text
    assert r"Before=var-swap\x2dfile.swap shutdown.target" in text
    wanted = nix(f'(system [ ({SWAP}) ]).config.systemd.units."{name}".wantedBy')
    assert wanted == [r"var-swap\x2dfile.swap"]
