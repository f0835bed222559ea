{ config, lib, ... }:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option;
  inherit (lib) types;
  cfg = config.services.journald;
in
{
  options.services.journald = {
    storage = option (types.enum [
      "persistent"
      "volatile"
      "auto"
      "none"
    ]) "persistent";
    console = option types.str "";
    rateLimitInterval = option types.str "30s";
    rateLimitBurst = option types.int 10000;
    extraConfig = option types.lines "";
  };
  config = {
    environment.etc."systemd/journald.conf".text = ''
      [Journal]
      Storage=${cfg.storage}
      RateLimitInterval=${cfg.rateLimitInterval}
      RateLimitBurst=${toString cfg.rateLimitBurst}
      ${lib.optionalString (cfg.console != "") "ForwardToConsole=yes\nTTYPath=${cfg.console}"}
      ${cfg.extraConfig}
    '';
    systemd.services.systemd-journald.restartTriggers = [
      config.environment.etc."systemd/journald.conf".source
    ];
    systemd.services.systemd-journald.stopIfChanged = false;
    systemd.services.systemd-journal-flush.restartIfChanged = false;
    systemd.tmpfiles.rules = [ "d /var/log/journal 2755 root systemd-journal - -" ];
  };
}
