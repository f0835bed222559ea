{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option;
  inherit (lib) types;
  cfg = config.networking.nftables;

  table = { name, ... }: {
    options = {
      enable = option types.bool true;
      name = option types.str name;
      family = lib.mkOption {
        type = types.enum [
          "ip"
          "ip6"
          "inet"
          "arp"
          "bridge"
          "netdev"
        ];
      };
      content = lib.mkOption { type = types.lines; };
    };
  };
  tables = lib.filter (t: t.enable) (lib.attrValues cfg.tables);

  # Taken away first, so that loading it again replaces it; `table` alone makes it exist, so that `delete` can.
  deletions = lib.concatMapStrings (t: "table ${t.family} ${t.name}\ndelete table ${t.family} ${t.name}\n") tables;
  rules = pkgs.writeText "nftables-rules" ''
    ${lib.optionalString cfg.flushRuleset "flush ruleset"}
    ${deletions}
    ${cfg.extraDeletions}
    ${lib.concatMapStrings (t: "table ${t.family} ${t.name} {\n${t.content}\n}\n") tables}
    ${cfg.ruleset}
  '';
  delete = pkgs.writeText "nftables-deletions" (
    if cfg.flushRuleset then "flush ruleset\n" else deletions + cfg.extraDeletions
  );
in
{
  options.networking.nftables = {
    enable = option types.bool false;
    tables = option (types.attrsOf (types.submodule table)) { };
    ruleset = option types.lines "";
    extraDeletions = option types.lines "";
    flushRuleset = option types.bool false;
    checkRuleset = option types.bool true;
  };
  config = lib.mkIf cfg.enable {
    environment.systemPackages = [ pkgs.nftables ];
    systemd.services.nftables = {
      description = "nftables firewall";
      after = [ "sysinit.target" ];
      before = [
        "network-pre.target"
        "shutdown.target"
      ];
      conflicts = [ "shutdown.target" ];
      wants = [ "network-pre.target" ];
      wantedBy = [ "multi-user.target" ];
      reloadIfChanged = true;
      unitConfig.DefaultDependencies = false;
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = "${pkgs.nftables}/bin/nft -f ${rules}";
        ExecReload = "${pkgs.nftables}/bin/nft -f ${rules}";
        ExecStop = "${pkgs.nftables}/bin/nft -f ${delete}";
      };
    };
  };
}
