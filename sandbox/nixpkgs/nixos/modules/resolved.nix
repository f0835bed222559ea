{
  config,
  lib,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option;
  inherit (lib) types;
  cfg = config.services.resolved;
in
{
  options.services.resolved = {
    enable = option types.bool false;
    fallbackDns = option (types.nullOr (types.listOf types.str)) null;
    domains = option (types.listOf types.str) config.networking.search;
    llmnr = option (types.enum [
      "true"
      "resolve"
      "false"
    ]) "true";
    dnssec = option (types.enum [
      "true"
      "allow-downgrade"
      "false"
    ]) "false";
    dnsovertls = option (types.enum [
      "true"
      "opportunistic"
      "false"
    ]) "false";
    extraConfig = option types.lines "";
  };
  config = lib.mkMerge [
    {
      environment.etc."nsswitch.conf".text = ''
        passwd:    files systemd
        group:     files [success=merge] systemd
        shadow:    files systemd
        sudoers:   files

        hosts:     mymachines ${lib.optionalString cfg.enable "resolve [!UNAVAIL=return] "}files myhostname dns
        networks:  files

        ethers:    files
        services:  files
        protocols: files
        rpc:       files
      '';
    }
    (lib.mkIf (!cfg.enable) {
      environment.etc."resolv.conf".text = lib.concatMapStrings (
        address: "nameserver ${address}\n"
      ) config.networking.nameservers;
    })
    (lib.mkIf cfg.enable {
      environment.etc."resolv.conf".source = "/run/systemd/resolve/stub-resolv.conf";
      environment.etc."systemd/resolved.conf".text = ''
        [Resolve]
        ${lib.optionalString (
          config.networking.nameservers != [ ]
        ) "DNS=${toString config.networking.nameservers}"}
        ${lib.optionalString (cfg.fallbackDns != null) "FallbackDNS=${toString cfg.fallbackDns}"}
        ${lib.optionalString (cfg.domains != [ ]) "Domains=${toString cfg.domains}"}
        LLMNR=${cfg.llmnr}
        DNSSEC=${cfg.dnssec}
        DNSOverTLS=${cfg.dnsovertls}
        ${cfg.extraConfig}
      '';
      systemd.services.systemd-resolved = {
        wantedBy = [ "sysinit.target" ];
        aliases = [ "dbus-org.freedesktop.resolve1.service" ];
        restartTriggers = [ config.environment.etc."systemd/resolved.conf".source ];
        stopIfChanged = false;
      };
    })
  ];
}
