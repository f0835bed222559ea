{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option;
  inherit (lib) types;
  zone = config.time.timeZone;
in
{
  options = {
    time.timeZone = option (types.nullOr (
      types.strWhere "string without spaces" (x: !lib.hasInfix " " x)
    )) null;
    time.hardwareClockInLocalTime = option types.bool false;
    i18n.defaultLocale = option types.str "en_US.UTF-8";
    i18n.extraLocaleSettings = option (types.attrsOf types.str) { };
    console.keyMap = option (types.either types.str types.path) "us";
    console.font = option (types.nullOr (types.either types.str types.path)) null;
  };
  config.environment.etc = {
    zoneinfo.source = "${pkgs.tzdata}/share/zoneinfo";
    "locale.conf".text =
      "LANG=${config.i18n.defaultLocale}\n"
      + lib.concatStrings (lib.mapAttrsToList (name: value: "${name}=${value}\n") config.i18n.extraLocaleSettings);
    "vconsole.conf".text = "KEYMAP=${toString config.console.keyMap}\n";
    localtime = lib.mkIf (zone != null) {
      # NixOS links to /etc/zoneinfo, where Debian's timedatectl would not look.
      source = "/usr/share/zoneinfo/${zone}";
      mode = "direct-symlink";
    };
  };
}
