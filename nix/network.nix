# IPv4 by DHCP, IPv6 from Hetzner's metadata service. Nothing here names an address, so a server that
# is replaced behind the same addresses needs no other configuration.
{ pkgs, ... }:
{
  networking.useNetworkd = true;
  networking.useDHCP = false;
  systemd.network.networks."10-uplink" = {
    matchConfig.Name = "en* eth*";
    networkConfig.DHCP = "ipv4";
    linkConfig.RequiredForOnline = "routable";
  };

  systemd.services.ipv6-from-metadata = {
    description = "IPv6 address from Hetzner's metadata service";
    wantedBy = [ "multi-user.target" ];
    wants = [ "network-online.target" ];
    after = [ "network-online.target" ];
    path = [
      pkgs.curl
      pkgs.iproute2
    ];
    unitConfig.StartLimitIntervalSec = 0;
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
      ExecStart = "${pkgs.bash}/bin/sh ${./host/ipv6.sh}";
      Restart = "on-failure";
      RestartSec = 10;
    };
  };
}
