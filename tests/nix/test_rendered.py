"""The host's whole configuration, rendered and evaluated by the real Nix.

The modules are the sandbox's miniature of NixOS, which declares its options with NixOS's own names and types:
an unknown option or a value of another type is an error here, as it is there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from components import configuration
from components.ports import numbers, open_ports
from sandbox.nixpkgs.tarball import RELEASE
from tests import stack
from tests.nix import gixy
from tests.nix.evaluation import EvaluationError, evaluate
from tests.nix.miniature import Store
from tests.stack import PUBLIC_KEY, REPO

NIXPKGS = REPO / "sandbox" / "nixpkgs"
HOSTILE = f"{PUBLIC_KEY} \"${{abort}} ''${{x}}'' \\ größe 𝄞"
VARIANTS: dict[str, dict[str, object]] = {
    "defaults": {},
    "everything else": {
        "domain": "films.sandbox",
        "acmeStaging": True,
        "hstsWholeZone": True,
        "b2Bucket": "other-films",
        "backupBucket": "others-backups",
        "backupPrefix": "servers/cinema",
        "plexAudiobooks": True,
        "plexLanPorts": True,
        "http3": True,
        "cacheGigabytes": 10,
        "mediaReadOnly": False,
        "refreshMinutes": 5,
        "hostName": "cinema",
        "timeZone": "America/Argentina/Buenos_Aires",
        "packages": ["tmux"],
        "autoUpgradeWindow": "23:00-01:00",
        "autoUpgradeReboot": True,
    },
    "next to nothing": {
        "dns": "external",
        "dnsZone": "",
        "libraryBackup": False,
        "packages": [],
        "autoUpgrade": False,
        "refreshMinutes": 0,
    },
    "arm": {"serverType": "cax11", "domain": "films.sandbox"},
    "hostile": {
        "administrators": {"alice": [HOSTILE], "bob-2_x": [PUBLIC_KEY, f"{PUBLIC_KEY} 'or' in"]},
        "acmeEmail": "o'$wner{x}@films.sandbox",
    },
}
# What the installation writes on each server, once: in this case of an older release.
HOST = """{
  system.stateVersion = "25.11";
  boot.loader.grub.devices = [ "DEVICE" ];
}
"""
DEVICES = {
    "x86_64": "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_1",
    "aarch64": "nodev",
}
ASKED = """
let
  inherit (import <nixpkgs/nixos> { }) config;
  inherit (config.services) nginx openssh;
in
{
  # Forces everything: all options that are set are there, of the right type, without a conflict.
  system = config.system.build.toplevel.drvPath;
  timeZone = config.time.timeZone;
  hostName = config.networking.hostName;
  tcp = config.networking.firewall.allowedTCPPorts;
  udp = config.networking.firewall.allowedUDPPorts;
  users = builtins.mapAttrs (_: user: {
    inherit (user) extraGroups;
    keys = user.openssh.authorizedKeys.keys;
    password = user.hashedPassword;
  }) config.users.users;
  ssh = openssh.settings;
  sites = builtins.mapAttrs (_: site: {
    inherit (site) default rejectSSL forceSSL enableACME extraConfig;
    locations = builtins.mapAttrs (_: location: {
      inherit (location) proxyPass extraConfig return;
    }) site.locations;
  }) nginx.virtualHosts;
  http = nginx.commonHttpConfig;
  nginxConf = config.system.build.nginxConfig.text;
  acme = { inherit (config.security.acme.defaults) email server; };
  packages = map (package: package.name) config.environment.systemPackages;
  mount = config.systemd.services.media.serviceConfig;
  plexCondition = config.systemd.services.plex.unitConfig.ConditionPathExists;
  beforePlex = config.systemd.services.plex.serviceConfig.ExecStartPre;
  services = builtins.mapAttrs (_: service: service.serviceConfig) config.systemd.services;
  swap = map (swap: { inherit (swap) device size; }) config.swapDevices;
  plugins = map (plugin: {
    inherit (plugin) name;
    inherit (plugin.src) url outputHash;
  }) config.services.plex.extraPlugins;
  plexData = config.services.plex.dataDir;
  plexNeeds = { inherit (config.systemd.services.plex) after requires; };
  unfree = builtins.filter (pname: config.nixpkgs.config.allowUnfreePredicate { inherit pname; }) [
    "plexmediaserver"
    "unrar"
  ];
  timers = builtins.mapAttrs (_: timer: timer.timerConfig) config.systemd.timers;
  credentials = builtins.mapAttrs (
    _: service: toString (service.serviceConfig.LoadCredential or [ ])
  ) config.systemd.services;
  library = {
    serviceConfig = config.systemd.services.plex-library.serviceConfig or null;
    restartIfChanged = config.systemd.services.plex-library.restartIfChanged or null;
  };
  nightly = config.systemd.timers.plex-library-backup.timerConfig.OnCalendar or null;
  command = map (package: package.text) (
    builtins.filter (package: package.name == "plex-library") config.environment.systemPackages
  );
  units = builtins.mapAttrs (_: unit: unit.text) config.systemd.units;
  upgrade = config.systemd.services.upgrade.serviceConfig.ExecStart or null;
  platform = config.nixpkgs.hostPlatform;
  builds = config.system.build.toplevel.system;
  consoles = config.boot.kernelParams;
  grub = { inherit (config.boot.loader.grub) enable efiSupport efiInstallAsRemovable devices; };
  stateVersion = config.system.stateVersion;
  orders = map (name: { inherit (config.systemd.services.${name}) serviceConfig unitConfig; }) (
    builtins.filter (name: builtins.match "acme-order-renew-.*" name != null) (
      builtins.attrNames config.systemd.services
    )
  );
}
"""

_OF_THE_MOUNT = {"media-cache.sh", "media-check.sh", "open-files.sh", "opens.sh"}

Host = dict[str, Any]  # as Nix's JSON has it


def write(folder: Path, overrides: dict[str, object]) -> None:
    """Put a rendered configuration where `nixos-config` will be looked for."""
    settings = stack.settings_of(**overrides)
    for path, text in configuration.files(settings, "prod").items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    host = HOST.replace("DEVICE", DEVICES[settings.architecture])
    (folder / "host.nix").write_text(host)


def ask(folder: Path, expression: str = ASKED) -> Host:
    search = {"nixpkgs": NIXPKGS, "nixos-config": folder / "configuration.nix"}
    value = evaluate(expression, folder, search)
    assert isinstance(value, dict)
    return value


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Host]:
    """Every variant's host."""
    found = {}
    for name, overrides in VARIANTS.items():
        folder = tmp_path_factory.mktemp("rendered")
        write(folder, overrides)
        found[name] = ask(folder)
    return found


@pytest.mark.parametrize("name", VARIANTS)
def test_it_is_a_whole_system(name: str, hosts: dict[str, Host]) -> None:
    assert hosts[name]["system"].endswith(".drv")


def test_variants_are_systems_of_their_own(hosts: dict[str, Host]) -> None:
    assert len({host["system"] for host in hosts.values()}) == len(VARIANTS)


@pytest.mark.parametrize("name", VARIANTS)
def test_values_arrive_as_they_are(name: str, hosts: dict[str, Host]) -> None:
    settings, host = stack.settings_of(**VARIANTS[name]), hosts[name]

    assert host["timeZone"] == settings.time_zone
    assert host["hostName"] == settings.host_name
    assert host["acme"]["email"] == settings.acme_email
    assert set(settings.packages) <= {package.split("-")[0] for package in host["packages"]}
    assert len(host["plugins"]) == int(settings.plex_audiobooks)
    assert ("upgrade" in host["timers"]) is settings.auto_upgrade


@pytest.mark.parametrize("name", VARIANTS)
def test_administrators_have_keys_and_no_password(name: str, hosts: dict[str, Host]) -> None:
    users = hosts[name]["users"]

    for administrator, keys in stack.settings_of(**VARIANTS[name]).administrators.items():
        assert users[administrator]["keys"] == list(keys)
        assert users[administrator]["extraGroups"] == ["wheel"]
        assert users[administrator]["password"] is None
    assert users["root"]["keys"] == []
    assert users["root"]["password"] == "!"


@pytest.mark.parametrize("name", VARIANTS)
def test_the_hosts_firewall_is_the_table_of_ports(name: str, hosts: dict[str, Host]) -> None:
    settings = stack.settings_of(**VARIANTS[name])
    ports = open_ports(lan=settings.plex_lan_ports, http3=settings.http3)

    assert sorted(hosts[name]["tcp"]) == sorted(numbers(ports, "tcp"))
    assert sorted(hosts[name]["udp"]) == sorted(numbers(ports, "udp"))
    assert 32400 not in hosts[name]["tcp"]


@pytest.mark.parametrize("name", VARIANTS)
def test_ssh_takes_keys_alone_and_forwards_for_the_tunnel_alone(
    name: str, hosts: dict[str, Host]
) -> None:
    ssh = hosts[name]["ssh"]

    assert ssh["PasswordAuthentication"] is False
    assert ssh["KbdInteractiveAuthentication"] is False
    assert ssh["PermitRootLogin"] == "prohibit-password"
    assert ssh["AllowTcpForwarding"] == "local"
    assert {place.rpartition(":")[2] for place in ssh["PermitOpen"].split()} == {"32400"}


@pytest.mark.parametrize("name", VARIANTS)
def test_one_name_is_served_and_any_other_refused(name: str, hosts: dict[str, Host]) -> None:
    sites = hosts[name]["sites"]
    domain = stack.settings_of(**VARIANTS[name]).domain

    assert set(sites) == {"_", domain}
    assert sites["_"]["default"]
    assert sites["_"]["rejectSSL"]
    assert sites["_"]["locations"]["/"]["return"] == "444"
    assert sites[domain]["forceSSL"]
    assert sites[domain]["enableACME"]


@pytest.mark.parametrize("name", VARIANTS)
def test_it_is_closed_unless_the_gate_is_open(name: str, hosts: dict[str, Host]) -> None:
    domain = stack.settings_of(**VARIANTS[name]).domain
    locations = hosts[name]["sites"][domain]["locations"]

    for path, location in locations.items():
        if location["proxyPass"]:
            assert "if (!-e /run/plex-gate/open) {\n  return 503;\n}" in location["extraConfig"], (
                path
            )
    assert locations["/"]["proxyPass"] == "http://127.0.0.1:32400"
    page = locations["= //closed.html"]
    assert page["proxyPass"] is None
    assert "internal;" in page["extraConfig"].splitlines()


@pytest.mark.parametrize("name", VARIANTS)
def test_plex_gets_the_visitors_own_address(name: str, hosts: dict[str, Host]) -> None:
    domain = stack.settings_of(**VARIANTS[name]).domain
    proxied = hosts[name]["sites"][domain]["locations"]["/"]["extraConfig"]

    assert "proxy_set_header X-Forwarded-For $remote_addr;" in proxied
    assert "proxy_add_x_forwarded_for" not in proxied


@pytest.mark.parametrize("name", VARIANTS)
def test_plex_alone_is_unfree_and_starts_after_the_mount(name: str, hosts: dict[str, Host]) -> None:
    assert hosts[name]["unfree"] == ["plexmediaserver"]
    assert hosts[name]["plexData"] == "/var/lib/plex"
    assert "media.service" in hosts[name]["plexNeeds"]["requires"]
    assert "media.service" in hosts[name]["plexNeeds"]["after"]


def test_the_audiobooks_bundle_is_the_articles(hosts: dict[str, Host]) -> None:
    (bundle,) = hosts["everything else"]["plugins"]

    assert bundle["name"] == "Audiobooks.bundle"
    assert "/9b1de6b66cd8fe11c7d27623d8579f43df9f8b86.zip" in bundle["url"]
    assert bundle["outputHash"].startswith("539492e3b06fca2c")


@pytest.mark.parametrize("name", VARIANTS)
def test_a_player_may_pause_for_long(name: str, hosts: dict[str, Host]) -> None:
    site = hosts[name]["sites"][stack.settings_of(**VARIANTS[name]).domain]

    assert "send_timeout 100m;" in site["extraConfig"].splitlines()


@pytest.mark.parametrize("name", VARIANTS)
def test_plex_has_its_settings_before_it_starts(name: str, hosts: dict[str, Host]) -> None:
    *_, data, settings = hosts[name]["beforePlex"]
    own_name = f'domain = "{stack.settings_of(**VARIANTS[name]).domain}";'

    assert data.endswith("plex-run-prestart")
    assert re.fullmatch(r"-\S+/bin/sh \S+-plex-settings.sh \S+-plex-settings", settings)
    assert own_name in configuration.files(stack.settings_of(**VARIANTS[name]), "prod")["plex.nix"]


def percent(share: str) -> int:
    assert share.endswith("%")
    return int(share.removesuffix("%"))


@pytest.mark.parametrize("name", VARIANTS)
def test_plex_goes_before_what_a_host_is_repaired_with(name: str, hosts: dict[str, Host]) -> None:
    services = hosts[name]["services"]
    adjusted = {
        unit: int(service["OOMScoreAdjust"])
        for unit, service in services.items()
        if "OOMScoreAdjust" in service
    }

    upgrade = {"upgrade"} if stack.settings_of(**VARIANTS[name]).auto_upgrade else set()
    assert set(adjusted) == {"plex", "media", "nginx", "sshd"} | upgrade
    assert adjusted["plex"] > adjusted["media"] > adjusted["nginx"] > 0 > adjusted["sshd"]
    for unit in ("plex", "media", "nginx"):
        high, most = (percent(services[unit][key]) for key in ("MemoryHigh", "MemoryMax"))
        assert high < most
        # What the system has left when this one takes all that it may: one GB of the smallest server's four.
        assert most <= 75
    # One that is killed does not take the others of the unit along.
    assert services["plex"]["OOMPolicy"] == services["sshd"]["OOMPolicy"] == "continue"


@pytest.mark.parametrize("script", ["session.sh", "upgrade.sh", "recover.sh"])
def test_the_supervisor_lives_when_its_build_is_killed(script: str, hosts: dict[str, Host]) -> None:
    text = configuration.files(stack.settings_of(), "prod")[f"host/{script}"]
    (started,) = re.findall(r"^ *systemd-run (?:.*\\\n)*.*", text, re.MULTILINE)

    adjust = hosts["defaults"]["services"]["sshd"]["OOMScoreAdjust"]
    assert f"--property=OOMScoreAdjust={adjust} " in started
    assert "--property=OOMPolicy=continue " in started


@pytest.mark.parametrize("name", VARIANTS)
def test_swap_is_a_file_that_the_installation_does_not_use(
    name: str, hosts: dict[str, Host]
) -> None:
    (swap,) = hosts[name]["swap"]

    assert swap["size"] == 2048
    assert f"/mnt{swap['device']}" not in (REPO / "nix/host/install.sh").read_text()


def hsts(host: Host) -> str:
    (value,) = re.findall(r"map \$https \$hsts \{\n *on \"(.*)\";", host["http"])
    return str(value)


def test_a_zones_apex_binds_names_below_itself_only_if_it_is_told_to(
    hosts: dict[str, Host],
) -> None:
    binding = "max-age=31536000; includeSubDomains; preload"
    assert hsts(hosts["defaults"]) == binding
    assert hsts(hosts["everything else"]) == binding
    assert hsts(hosts["arm"]) == "max-age=31536000"
    # Whether it is an apex is not known here.
    assert hsts(hosts["next to nothing"]) == "max-age=31536000"


def test_the_mount_is_read_only_unless_told_otherwise(hosts: dict[str, Host]) -> None:
    plain, other = (hosts[name]["mount"]["ExecStart"] for name in ("defaults", "everything else"))

    assert "rclone mount b2:films-and-music /mnt/media" in plain
    assert "--vfs-cache-max-size" not in plain
    assert plain.endswith("--read-only")
    assert "rclone mount b2:other-films /mnt/media" in other
    assert "--vfs-cache-max-size 10000000000B" in other
    assert "--read-only" not in other


@pytest.mark.parametrize("name", VARIANTS)
def test_variables_come_from_where_root_alone_writes(name: str, hosts: dict[str, Host]) -> None:
    """systemd reads such a file before each command of a unit, root's too."""
    units = "".join(hosts[name]["units"].values())

    found = re.findall(r"^EnvironmentFile=-?(.*)", units, re.MULTILINE)

    decided = stack.settings_of(**VARIANTS[name]).cache_gigabytes == 0
    assert found == (["/run/media-cache"] if decided else [])


@pytest.mark.parametrize(
    ("version", "known"), [("1.72.1", False), ("1.73.5", False), ("1.74.0", True), ("1.76.0", True)]
)
def test_rclone_is_told_nothing_that_its_version_does_not_know(
    version: str, known: bool, tmp_path: Path
) -> None:
    write(tmp_path, {})
    package = f'pkgs.rclone // {{ version = "{version}"; }}'
    other = f"nixpkgs.overlays = [ (_: pkgs: {{ rclone = {package}; }}) ];"
    (tmp_path / "host.nix").write_text(HOST.replace("{\n", f"{{\n{other}\n", 1))

    unit = ask(tmp_path, "(import <nixpkgs/nixos> { }).config.systemd.units")["media.service"]
    (command,) = re.findall(r"^ExecStart=(.*)", unit["text"], re.MULTILINE)
    assert ("--vfs-handle-caching 0s" in command) is known


def test_each_flag_of_the_mount_has_its_reason(hosts: dict[str, Host]) -> None:
    table = (REPO / "docs/media.md").read_text().partition("## Flags")[2].partition("Left out")[0]
    explained = {
        flag
        for row in re.findall(r"^\| (`--[^|]*)\|", table, re.MULTILINE)
        for flag in re.findall(r"--[a-z-]+", row)
    }
    given = {
        flag
        for host in hosts.values()
        for flag in re.findall(r" (--[a-z-]+)", host["mount"]["ExecStart"])
    }
    # Where they are kept and whose they are is said in the unit.
    assert explained == given - {"--config", "--cache-dir"}


def test_what_does_not_concern_the_mount_does_not_start_it_again(tmp_path: Path) -> None:
    """A unit whose text is the same is left alone, whatever else changes."""
    unit = '(import <nixpkgs/nixos> { }).config.systemd.units."media.service".text'
    search = {"nixpkgs": NIXPKGS, "nixos-config": tmp_path / "configuration.nix"}
    others = VARIANTS["next to nothing"] | {"domain": "films.sandbox", "plexAudiobooks": True}

    write(tmp_path, {})
    before = evaluate(unit, tmp_path, search)
    write(tmp_path, others)
    for script in (tmp_path / "host").rglob("*.sh"):
        if script.name not in _OF_THE_MOUNT:
            script.write_text(f"{script.read_text()}# changed\n")
    assert evaluate(unit, tmp_path, search) == before

    write(tmp_path, {"mediaReadOnly": False})
    assert evaluate(unit, tmp_path, search) != before


def test_the_mount_is_refreshed_as_often_as_told(hosts: dict[str, Host]) -> None:
    for name, minutes in (("defaults", 15), ("everything else", 5)):
        timer = hosts[name]["timers"]["media-refresh"]
        assert timer["OnActiveSec"] == timer["OnUnitInactiveSec"] == f"{minutes}min"
    assert "media-refresh" not in hosts["next to nothing"]["timers"]
    assert any("media-refresh" in package for package in hosts["next to nothing"]["packages"])


def test_plex_does_not_start_while_its_databases_are_copied(hosts: dict[str, Host]) -> None:
    (held,) = re.findall(r"^held=(\S+)", (REPO / "nix/host/database.sh").read_text(), re.MULTILINE)
    assert hosts["defaults"]["plexCondition"] == f"!{held}"


def test_upgrades_begin_in_the_first_half_of_their_window(hosts: dict[str, Host]) -> None:
    timer = hosts["defaults"]["timers"]["upgrade"]
    assert (timer["OnCalendar"], timer["RandomizedDelaySec"]) == ("03:00", "60min")
    assert hosts["everything else"]["timers"]["upgrade"]["OnCalendar"] == "23:00"


def test_upgrades_know_their_window(hosts: dict[str, Host]) -> None:
    assert hosts["defaults"]["upgrade"].endswith("-upgrade.sh 300 120 false")
    # Over midnight.
    assert hosts["everything else"]["upgrade"].endswith("-upgrade.sh 60 120 true")
    assert hosts["next to nothing"]["upgrade"] is None


def with_library(hosts: dict[str, Host]) -> dict[str, Host]:
    """The hosts whose library is backed up."""
    return {
        name: host
        for name, host in hosts.items()
        if stack.settings_of(**VARIANTS[name]).library_backup
    }


def test_plex_starts_after_its_library_has_come_back(hosts: dict[str, Host]) -> None:
    assert with_library(hosts)
    for host in with_library(hosts).values():
        assert "plex-library.service" in host["plexNeeds"]["requires"]
        assert "plex-library.service" in host["plexNeeds"]["after"]
        assert re.fullmatch(r"\+\S+/bin/plex-library unit guard", host["beforePlex"][0])
        service = host["library"]["serviceConfig"]
        assert (service["Type"], service["RemainAfterExit"]) == ("oneshot", True)
        assert service["TimeoutStartSec"] == "infinity"
        # A switch leaves a library alone that is here.
        assert host["library"]["restartIfChanged"] is False


def test_what_opens_the_backups_is_handed_to_their_units_alone(hosts: dict[str, Host]) -> None:
    for host in with_library(hosts).values():
        handed = {name for name, given in host["credentials"].items() if "/backup." in given}
        assert handed == {name for name in host["credentials"] if name.startswith("plex-library")}
        assert len(handed) == 5


def test_backups_have_three_hours_until_an_upgrade_begins(hosts: dict[str, Host]) -> None:
    assert hosts["defaults"]["nightly"] == "00:00"
    assert hosts["everything else"]["nightly"] == "20:00"


@pytest.mark.parametrize(
    ("name", "bucket", "prefix"),
    [
        ("defaults", "films-and-music-library", "prod"),
        ("everything else", "others-backups", "servers/cinema"),
    ],
)
def test_backups_go_where_the_stack_says(
    name: str, bucket: str, prefix: str, hosts: dict[str, Host]
) -> None:
    (text,) = hosts[name]["command"]

    assert f"export STACK=prod\nexport BUCKET={bucket}\nexport PREFIX={prefix}\n" in text
    assert f"\nexport NIXPKGS=nixos-{RELEASE}" in text
    assert re.search(r"^export PLEX=1[.][0-9]+[.]", text, re.MULTILINE)


def test_without_backups_none_of_it_is_there(hosts: dict[str, Host]) -> None:
    host = hosts["next to nothing"]

    assert host["plexNeeds"]["requires"] == ["media.service"]
    assert host["command"] == []
    assert "plex-library" not in str(host["beforePlex"])
    assert not [name for name in host["credentials"] if name.startswith("plex-library")]
    assert not [name for name in host["timers"] if name.startswith("plex-library")]
    assert "backup." not in str(host["credentials"])


def test_staging_is_another_server(hosts: dict[str, Host]) -> None:
    assert "acme-staging-v02" in hosts["everything else"]["acme"]["server"]
    assert "staging" not in str(hosts["defaults"]["acme"]["server"])


@pytest.mark.parametrize("name", VARIANTS)
def test_a_failed_order_of_a_certificate_is_tried_again(name: str, hosts: dict[str, Host]) -> None:
    (order,) = hosts[name]["orders"]

    # By itself, NixOS tries again with the daily timer.
    assert order["serviceConfig"]["Restart"] == "on-failure"
    assert order["unitConfig"]["StartLimitIntervalSec"] == 0


@pytest.fixture(scope="module")
def nginx(store: Store, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Every variant's nginx.conf, built with what it includes."""
    folders = [tmp_path_factory.mktemp("built") for _ in VARIANTS]
    for folder, overrides in zip(folders, VARIANTS.values(), strict=True):
        write(folder, overrides)
    return store.build_all(f"""
      map (path: (import <nixpkgs/nixos> {{ configuration = path; }}).config.system.build.nginxConfig)
        [ {" ".join(str(folder / "configuration.nix") for folder in folders)} ]
    """)


def test_nixpkgs_builds_nginx_conf_whatever_its_gixy_says(nginx: list[Path]) -> None:
    assert len(nginx) == len(VARIANTS)
    assert all("proxy_buffering off;" in path.read_text() for path in nginx)


@pytest.mark.parametrize("version", gixy.VERSIONS)
def test_no_gixy_of_nixpkgs_finds_anything_else(version: str, nginx: list[Path]) -> None:
    assert gixy.said_by(version, nginx) == ""


@pytest.mark.parametrize("option", ["recommendedBrotliSettings", "additionalModules", "package"])
def test_nginx_is_the_one_that_nixos_has_built_already(option: str) -> None:
    web = configuration.files(stack.settings_of(), "prod")["web.nix"]

    # Any other would be compiled on the server, but for the one that NixOS has had for HTTP/3.
    chosen = re.findall(rf"\b{option} = .*", web)
    assert [each for each in chosen if not each.endswith(" pkgs.nginxQuic;")] == []


def test_each_architecture_has_its_platform_its_console_and_its_boot_loader(
    hosts: dict[str, Host],
) -> None:
    intel, arm = hosts["defaults"], hosts["arm"]

    assert (intel["platform"], arm["platform"]) == ("x86_64-linux", "aarch64-linux")
    assert (intel["builds"], arm["builds"]) == ("x86_64-linux", "aarch64-linux")
    for host, serial in ((intel, "console=ttyS0,115200"), (arm, "console=ttyAMA0")):
        consoles = [word for word in host["consoles"] if word.startswith("console=")]
        assert consoles == [serial, "console=tty0"], "the last one gets the kernel's messages"
        assert host["grub"]["enable"]
        assert host["grub"]["efiSupport"]
        assert host["grub"]["efiInstallAsRemovable"]
    assert arm["grub"]["devices"] == ["nodev"]


@pytest.mark.parametrize("name", VARIANTS)
def test_the_state_version_is_the_installations(name: str, hosts: dict[str, Host]) -> None:
    assert stack.settings_of(**VARIANTS[name]).nixos_release != "25.11"
    assert hosts[name]["stateVersion"] == "25.11"


def test_an_unknown_package_is_refused_by_its_name(tmp_path: Path) -> None:
    write(tmp_path, {"packages": ["htopp"]})

    with pytest.raises(EvaluationError, match="packages: nixpkgs has no package htopp"):
        ask(tmp_path)


@pytest.mark.parametrize(
    ("line", "words"),
    [('time.timezone = "UTC";', "time.timezone"), ("time.timeZone = 5;", "time.timeZone")],
)
def test_an_unknown_option_or_a_wrong_type_is_refused(
    line: str, words: str, tmp_path: Path
) -> None:
    write(tmp_path, {})
    (tmp_path / "host.nix").write_text(HOST.replace("{\n", f"{{\n{line}\n", 1))

    with pytest.raises(EvaluationError, match=words):
        ask(tmp_path)


@pytest.mark.parametrize("setting", ["startLimitIntervalSec", "unitConfig.StartLimitIntervalSec"])
def test_nixos_may_limit_the_starts_of_its_own_units(setting: str, tmp_path: Path) -> None:
    """By either name, in any release: two values of one setting are an error, even 0 and "0"."""
    own = ["nginx", "plex", "sshd", f"acme-order-renew-{stack.settings_of().domain}"]
    limits = "".join(
        f'systemd.services."{unit}".{setting} = 61;\n' for unit in own if unit != "nginx"
    )
    write(tmp_path, {})
    (tmp_path / "host.nix").write_text(HOST.replace("{\n", f"{{\n{limits}", 1))

    units = ask(tmp_path, "(import <nixpkgs/nixos> { }).config.systemd.units")
    for unit in own:
        text = units[f"{unit}.service"]["text"]
        assert re.findall(r"^StartLimitIntervalSec=(.*)", text, re.MULTILINE) == ["0"], unit


@pytest.mark.parametrize("unit", ["media", "nginx", "plex", "plex-gate", "sshd"])
@pytest.mark.parametrize("name", VARIANTS)
def test_what_serves_is_started_again_for_as_long_as_it_takes(
    name: str, unit: str, hosts: dict[str, Host]
) -> None:
    text = hosts[name]["units"][f"{unit}.service"]

    assert re.findall(r"^StartLimitIntervalSec=(.*)", text, re.MULTILINE) == ["0"]
    assert re.findall(r"^Restart=(.*)", text, re.MULTILINE)[0] in ("always", "on-failure")
    assert float(re.findall(r"^RestartSec=([\d.]+)s?$", text, re.MULTILINE)[0]) >= 1
