{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option unitOption;
  inherit (lib) types;
  units = import ../lib/units.nix { inherit lib pkgs; };
  cfg = config.systemd.network;
  section = types.attrsOf unitOption;

  network = {
    options = {
      enable = option types.bool true;
      name = option (types.nullOr types.str) null;
      matchConfig = option section { };
      linkConfig = option section { };
      networkConfig = option section { };
      dhcpV4Config = option section { };
      dhcpV6Config = option section { };
      ipv6AcceptRAConfig = option section { };
      DHCP = option (types.nullOr types.str) null;
      address = option (types.listOf types.str) [ ];
      gateway = option (types.listOf types.str) [ ];
      dns = option (types.listOf types.str) [ ];
      ntp = option (types.listOf types.str) [ ];
      domains = option (types.nullOr (types.listOf types.str)) null;
      addresses = option (types.listOf section) [ ];
      routes = option (types.listOf section) [ ];
      routingPolicyRules = option (types.listOf section) [ ];
      extraConfig = option types.lines "";
    };
  };

  yesNo = lib.mapAttrs (_: v: if builtins.isBool v then lib.boolToYesNo v else v);
  part = name: values: lib.optionalString (values != { }) "[${name}]\n${units.settings (yesNo values)}\n";
  text =
    n:
    part "Match" (lib.optionalAttrs (n.name != null) { Name = n.name; } // n.matchConfig)
    + part "Link" n.linkConfig
    + part "Network" (
      n.networkConfig
      // lib.optionalAttrs (n.DHCP != null) { inherit (n) DHCP; }
      // lib.filterAttrs (_: v: v != [ ]) {
        Address = n.address;
        Gateway = n.gateway;
        DNS = n.dns;
        NTP = n.ntp;
      }
      // lib.optionalAttrs (n.domains != null) { Domains = toString n.domains; }
    )
    + lib.concatMapStrings (part "Address") n.addresses
    + lib.concatMapStrings (part "RoutingPolicyRule") n.routingPolicyRules
    + lib.concatMapStrings (part "Route") n.routes
    + part "DHCPv4" n.dhcpV4Config
    + part "DHCPv6" n.dhcpV6Config
    + part "IPv6AcceptRA" n.ipv6AcceptRAConfig
    + n.extraConfig;

  files = lib.mapAttrs' (name: n: lib.nameValuePair "systemd/network/${name}.network" { text = text n; }) (
    lib.filterAttrs (_: n: n.enable) cfg.networks
  );
in
{
  options = {
    networking.useNetworkd = option types.bool false;
    networking.useDHCP = option types.bool true;
    systemd.network = {
      enable = option types.bool false;
      networks = option (types.attrsOf (types.submodule network)) { };
      wait-online = {
        enable = option types.bool true;
        anyInterface = option types.bool config.networking.useDHCP;
        ignoredInterfaces = option (types.listOf types.str) [ ];
        timeout = option types.ints.unsigned 120;
        extraArgs = option (types.listOf types.str) [ ];
      };
    };
  };

  config = lib.mkMerge [
    {
      assertions = [
        {
          assertion = config.networking.useNetworkd || !config.networking.useDHCP || cfg.enable;
          message = "The sandbox's miniature NixOS has networkd only: set networking.useNetworkd = true.";
        }
      ];
      systemd.network.enable = lib.mkIf config.networking.useNetworkd true;
      systemd.network.networks = lib.mkIf (config.networking.useNetworkd && config.networking.useDHCP) {
        "99-ethernet-default-dhcp" = {
          matchConfig.Type = "ether";
          matchConfig.Kind = "!*";
          DHCP = "yes";
          networkConfig.IPv6PrivacyExtensions = "kernel";
        };
      };
    }
    (lib.mkIf cfg.enable {
      services.resolved.enable = lib.mkDefault true;
      environment.etc = files;
      systemd.services.systemd-networkd = {
        wantedBy = [ "multi-user.target" ];
        restartTriggers = lib.mapAttrsToList (name: _: config.environment.etc.${name}.source) files;
        aliases = [ "dbus-org.freedesktop.network1.service" ];
        stopIfChanged = false;
        notSocketActivated = true;
      };
      systemd.sockets.systemd-networkd.wantedBy = [ "sockets.target" ];
      systemd.services.systemd-networkd-wait-online = lib.mkIf cfg.wait-online.enable {
        wantedBy = [ "network-online.target" ];
        serviceConfig.ExecStart = [
          ""
          (lib.concatStringsSep " " (
            [ "${pkgs.systemd}/lib/systemd/systemd-networkd-wait-online --timeout=${toString cfg.wait-online.timeout}" ]
            ++ lib.optional cfg.wait-online.anyInterface "--any"
            ++ map (name: "--ignore=${name}") cfg.wait-online.ignoredInterfaces
            ++ cfg.wait-online.extraArgs
          ))
        ];
      };
    })
  ];
}
