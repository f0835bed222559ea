{ config, lib, pkgs, ... }:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option;
  inherit (lib) types;
  cfg = config.networking;
in
{
  options.networking = {
    hostName = option (
      types.strMatching "^$|^[[:alnum:]]([[:alnum:]_-]{0,61}[[:alnum:]])?$"
    ) config.system.nixos.distroId;
    domain = option (types.nullOr types.str) null;
    fqdn = option types.str (
      if cfg.domain == null then
        throw "The FQDN is required but cannot be determined: networking.domain is not set."
      else
        "${cfg.hostName}.${cfg.domain}"
    );
    hostId = option (types.nullOr types.str) null;
    nameservers = option (types.listOf types.str) [ ];
    search = option (types.listOf types.str) [ ];
    timeServers = option (types.listOf types.str) (
      lib.genList (n: "${toString n}.nixos.pool.ntp.org") 4
    );
    enableIPv6 = option types.bool true;
    hosts = option (types.attrsOf (types.listOf types.str)) { };
    extraHosts = option types.lines "";
    usePredictableInterfaceNames = option types.bool true;
  };
  config = {
    networking.hosts = {
      "127.0.0.1" = [ "localhost" ];
      "::1" = lib.mkIf cfg.enableIPv6 [ "localhost" ];
      "127.0.0.2" = lib.mkIf (cfg.hostName != "") (
        lib.optional (cfg.domain != null) "${cfg.hostName}.${cfg.domain}" ++ [ cfg.hostName ]
      );
    };
    environment.etc = {
      hostname = lib.mkIf (cfg.hostName != "") { text = cfg.hostName + "\n"; };
      hosts.text =
        lib.concatStrings (
          lib.mapAttrsToList (
            address: names: lib.optionalString (names != [ ]) "${address} ${toString names}\n"
          ) cfg.hosts
        )
        + cfg.extraHosts;
      "host.conf".text = "multi on\n";
      protocols.source = ../data/protocols;
      services.source = ../data/services;
      rpc.text = "";
    };
  };
}
