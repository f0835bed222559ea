# What releases before 25.11 want in place of what the adapter takes from them. They are no host's: it only has
# to be possible to hold a configuration against them.
{ lib, options, ... }:
{
  config = lib.mkMerge [
    # At first the firewall was one of iptables, and refused the other; and a list could not be added to one word.
    (lib.optionalAttrs (!(options.networking.nftables ? tables)) {
      networking.nftables.enable = lib.mkForce false;
      systemd.services.plex.serviceConfig.ExecStartPre = lib.mkForce [ ];
    })
    {
      nixpkgs.overlays = [
        (final: previous: {
          iproute2 = previous.iproute2 or final.iproute;
          util-linux = previous.util-linux or final.utillinux;
          nginxQuic =
            previous.nginxQuic or (
              final.nginx
              // {
                pname = "nginxQuic";
                version = "1.27.0";
                override = _: final.nginxQuic;
              }
            );
        })
      ];
    }
    (lib.optionalAttrs (!(options.security.acme ? defaults)) { security.acme.email = "owner@films.sandbox"; })
  ];
}
