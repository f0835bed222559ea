# A NixOS VM test: one host as the configuration makes it, booted, used, switched off and booted again, and a
# visitor in a machine beside it. `make test-vm` runs it. It takes KVM, cache.nixos.org and plex.tv.
{
  nixpkgs,
  rendered, # the folder of a rendered configuration
  domain,
  bucket,
  runTest ? (import (nixpkgs + "/nixos/lib") { }).runTest,
}:
let
  configuration = builtins.path {
    path = rendered;
    name = "configuration";
  };
  film = "Films/A film (2020).mkv";
in
runTest {
  name = "plex-on-nixos";
  hostPkgs = import nixpkgs {
    config = { };
    overlays = [ ];
  };

  # NixOS's test framework has a disk of its own, with one file system and no boot loader, in place of ours.
  # Everything else is the host's, but for this.
  nodes.host =
    { lib, ... }:
    {
      imports = [ (rendered + "/configuration.nix") ];

      virtualisation = {
        cores = 2;
        memorySize = 4096; # MiB, as the smallest server has
        diskSize = 8192; # the mount's cache leaves 2 GB free
        restrictNetwork = true; # nobody is to order a certificate for a name that is not theirs
      };
      # 25.11 calls a machine in the script by this, which the host's own name stands for.
      system.name = "host";
      # There is no partition to grow.
      boot.growPartition = lib.mkForce false;
      # eth0 is the uplink, with DHCP from QEMU; eth1 leads to the visitor, and has its address by the framework.
      # There is no metadata service, so the host is without IPv6, and goes on asking for it.
      systemd.network.networks."10-uplink".matchConfig.Name = lib.mkForce "eth0";
    };

  # The framework numbers machines by the order of their names.
  nodes.visitor.networking.hosts."192.168.1.1" = [
    domain
    "other.${domain}"
  ];

  testScript = ''
    def serves() -> None:
        # What the host's own supervisor looks at: the units, the mount, Plex, HTTPS. (That it can be reached, it says
        # only where there is IPv6.)
        print(host.succeed("sh ${configuration}/host/health.sh library service"))
        # The bucket, through rclone.
        host.succeed("cmp '/srv/${bucket}/${film}' '/mnt/media/${film}'")
        # Plex is there, and nobody's; so the way to it is closed.
        identity = host.succeed("curl -fsS http://127.0.0.1:32400/identity")
        assert 'claimed="0"' in identity, identity
        answer = visitor.succeed("curl -ksS -w '%{http_code}' https://${domain}/web")
        assert "has not been claimed yet" in answer and answer.endswith("503"), answer
        visitor.fail("curl -sS --max-time 5 http://${domain}:32400/identity")
        # HTTPS alone, and for this name alone.
        moved = visitor.succeed("curl -sS -o /dev/null -w '%{redirect_url}' http://${domain}/web")
        assert moved == "https://${domain}/web", moved
        visitor.fail("curl -ksS https://other.${domain}/web")
        # The kernel has been told, which a container's cannot be.
        told = host.succeed("sysctl -n kernel.kptr_restrict kernel.io_uring_disabled fs.protected_regular")
        assert told.split() == ["2", "1", "2"], told


    start_all()
    # What the installation puts there before the first boot: the mount, tried until then, comes up by itself.
    # A folder in place of B2.
    host.succeed("mkdir -p '/srv/${bucket}/Films'")
    host.succeed("head -c 5000000 /dev/urandom >'/srv/${bucket}/${film}'")
    host.succeed(
        "umask 077; mkdir -p /var/lib/secrets;"
        " printf '[b2]\ntype = alias\nremote = /srv\n' >/var/lib/secrets/rclone.conf"
    )
    serves()

    host.shutdown()
    host.start()
    serves()
  '';
}
