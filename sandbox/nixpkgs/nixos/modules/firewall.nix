# The host's firewall, always by nftables. (NixOS takes iptables where networking.nftables is off.)
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option;
  inherit (lib) types;
  cfg = config.networking.firewall;

  ports = {
    allowedTCPPorts = lib.mkOption {
      type = types.listOf types.port;
      default = [ ];
      apply = list: lib.unique (builtins.sort builtins.lessThan list);
    };
    allowedUDPPorts = ports.allowedTCPPorts;
    allowedTCPPortRanges = option (types.listOf (types.attrsOf types.port)) [ ];
    allowedUDPPortRanges = option (types.listOf (types.attrsOf types.port)) [ ];
  };

  set =
    numbers: ranges:
    lib.concatStringsSep ", " (
      map toString numbers ++ map (range: "${toString range.from}-${toString range.to}") ranges
    );
  allow =
    interface: from:
    lib.concatStrings (
      map
        (
          { protocol, accepted }:
          lib.optionalString (accepted != "")
            "    ${lib.optionalString (interface != null) "iifname \"${interface}\" "}${protocol} dport { ${accepted} } accept\n"
        )
        [
          {
            protocol = "tcp";
            accepted = set from.allowedTCPPorts from.allowedTCPPortRanges;
          }
          {
            protocol = "udp";
            accepted = set from.allowedUDPPorts from.allowedUDPPortRanges;
          }
        ]
    );

  refuse =
    if cfg.rejectPackets then
      "    meta l4proto tcp reject with tcp reset\n    reject\n"
    else
      "";

  content = ''
    set temp-ports {
      comment "opened for a while, by nixos-firewall-tool"
      type inet_proto . inet_service
      flags interval
      auto-merge
    }
    ${lib.optionalString (cfg.checkReversePath != false) ''
      chain rpfilter {
        type filter hook prerouting priority mangle + 10; policy drop;
        meta nfproto ipv4 udp sport . udp dport { 67 . 68, 68 . 67 } accept comment "DHCPv4 client/server"
        fib saddr . mark${lib.optionalString (cfg.checkReversePath != "loose") " . iif"} oif exists accept
        jump rpfilter-allow
        ${lib.optionalString cfg.logReversePathDrops ''log level info prefix "rpfilter drop: "''}
      }
    ''}
    chain rpfilter-allow {
      ${cfg.extraReversePathFilterRules}
    }
    chain input {
      type filter hook input priority filter; policy drop;
      iifname { ${lib.concatMapStringsSep ", " (i: "\"${i}\"") ([ "lo" ] ++ cfg.trustedInterfaces)} } accept comment "trusted interfaces"
      ct state vmap {
        invalid : drop,
        established : accept,
        related : accept,
        new : jump input-allow,
        untracked : jump input-allow,
      }
    ${lib.optionalString cfg.logRefusedConnections "    tcp flags syn / fin,syn,rst,ack log level info prefix \"refused connection: \"\n"}${refuse}
    }
    chain input-allow {
    ${allow null cfg}${lib.concatStrings (lib.mapAttrsToList allow cfg.interfaces)}
      meta l4proto . th dport @temp-ports accept
    ${lib.optionalString cfg.allowPing "    icmp type echo-request ${
      lib.optionalString (cfg.pingLimit != null) "limit rate ${cfg.pingLimit} "
    }accept comment \"allow ping\"\n"}
      icmpv6 type != { nd-redirect, 139 } accept comment "all but redirects and node information queries"
      ip6 daddr fe80::/64 udp dport 546 accept comment "DHCPv6 client"
      ${cfg.extraInputRules}
    }
  '';
in
{
  options.networking.firewall = ports // {
    enable = option types.bool true;
    allowPing = option types.bool true;
    pingLimit = option (types.nullOr (types.separatedString " ")) null;
    logRefusedConnections = option types.bool true;
    logReversePathDrops = option types.bool false;
    rejectPackets = option types.bool false;
    trustedInterfaces = option (types.listOf types.str) [ ];
    checkReversePath = option (types.either types.bool (
      types.enum [
        "strict"
        "loose"
      ]
    )) true;
    extraInputRules = option types.lines "";
    extraReversePathFilterRules = option types.lines "";
    interfaces = option (types.attrsOf (types.submodule { options = ports; })) { };
  };

  config = lib.mkIf cfg.enable (
    lib.mkMerge [
      (lib.mkIf config.networking.nftables.enable {
        networking.nftables.tables.nixos-fw = {
          family = "inet";
          inherit content;
        };
      })
      (lib.mkIf (!config.networking.nftables.enable) {
        systemd.services.firewall = {
          description = "Firewall";
          wantedBy = [ "multi-user.target" ];
          wants = [ "network-pre.target" ];
          after = [ "systemd-modules-load.service" ];
          before = [
            "network-pre.target"
            "shutdown.target"
          ];
          conflicts = [ "shutdown.target" ];
          reloadIfChanged = true;
          unitConfig.DefaultDependencies = false;
          serviceConfig =
            let
              rules = pkgs.writeText "firewall-rules" ''
                table inet nixos-fw
                delete table inet nixos-fw
                table inet nixos-fw {
                ${content}
                }
              '';
              load = "${pkgs.nftables}/bin/nft -f ${rules}";
            in
            {
              Type = "oneshot";
              RemainAfterExit = true;
              ExecStart = load;
              ExecReload = load;
              ExecStop = "${pkgs.nftables}/bin/nft delete table inet nixos-fw";
            };
        };
      })
    ]
  );
}
