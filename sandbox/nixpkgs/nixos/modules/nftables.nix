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

  # `table` alone makes one exist, so that `delete` can.
  deletions = pkgs.writeScript "nftables-deletions" ''
    #! ${pkgs.nftables}/bin/nft -f
    ${
      if cfg.flushRuleset then
        "flush ruleset"
      else
        lib.concatMapStrings (t: "table ${t.family} ${t.name}\ndelete table ${t.family} ${t.name}\n") tables
    }
    ${cfg.extraDeletions}
  '';
  # What was loaded last, which may be another generation's tables.
  loaded = "/var/lib/nftables/deletions.nft";
  rules = pkgs.writeScript "nftables-rules" ''
    #! ${pkgs.nftables}/bin/nft -f
    include "${loaded}"
    include "${deletions}"
    ${lib.concatMapStrings (t: "table ${t.family} ${t.name} {\n${t.content}\n}\n") tables}
    ${cfg.ruleset}
  '';
  ensure = pkgs.writeShellScript "nftables-ensure-deletions" ''
    touch ${loaded}
    chmod +x ${loaded}
  '';
  save = pkgs.writeShellScript "nftables-save-deletions" "cp ${deletions} ${loaded}";
  forget = pkgs.writeShellScript "nftables-cleanup-deletions" "rm ${loaded}";
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
    boot.blacklistedKernelModules = [ "ip_tables" ];
    environment.systemPackages = [ pkgs.nftables ];
    systemd.services.nftables = {
      description = "nftables firewall";
      after = [ "sysinit.target" ];
      before = [
        "network-pre.target"
        "shutdown.target"
      ];
      conflicts = [ "shutdown.target" ];
      wants = [
        "network-pre.target"
        "sysinit.target"
      ];
      wantedBy = [ "multi-user.target" ];
      reloadIfChanged = true;
      unitConfig.DefaultDependencies = false;
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = [
          ensure
          rules
        ];
        ExecStartPost = save;
        ExecReload = [
          ensure
          rules
          save
        ];
        ExecStop = [
          loaded
          forget
        ];
        StateDirectory = "nftables";
      };
    };
  };
}
