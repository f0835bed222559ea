# Closed until claimed: Plex takes every visitor that nginx brings for a local one, and lets the first
# of them claim an unclaimed server. nginx passes nothing on unless /run/plex-gate/open exists.
{ pkgs, ... }:
{
  environment.systemPackages = [
    (pkgs.writeShellScriptBin "plex-claim" "exec sh ${./host/claim.sh}")
  ];

  systemd.services.plex-gate = {
    description = "The way from nginx to a claimed Plex";
    wantedBy = [ "multi-user.target" ];
    path = [
      pkgs.curl
      pkgs.diffutils
      pkgs.xmlstarlet
    ];
    unitConfig.StartLimitIntervalSec = 0;
    serviceConfig = {
      ExecStart = "${pkgs.bash}/bin/sh ${./host/gate.sh}";
      User = "plex"; # who may read Preferences.xml
      RuntimeDirectory = "plex-gate"; # gone with the unit, and the way is closed
      StateDirectory = "plex-gate"; # where Plex itself cannot write
      StateDirectoryMode = "0700";
      Restart = "always";
      RestartSec = 5;
    };
  };
}
