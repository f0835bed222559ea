{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option;
  inherit (lib) types;
  cfg = config.security.sudo;
in
{
  options.security.sudo = {
    enable = option types.bool true;
    wheelNeedsPassword = option types.bool true;
    execWheelOnly = option types.bool false;
    extraConfig = option types.lines "";
  };
  config = lib.mkIf cfg.enable {
    environment.etc.sudoers = {
      mode = "0440";
      text = ''
        Defaults !lecture
        Defaults secure_path="/run/wrappers/bin:/run/current-system/sw/bin"
        root ALL=(ALL:ALL) SETENV: ALL
        %wheel ALL=(ALL:ALL) ${lib.optionalString (!cfg.wheelNeedsPassword) "NOPASSWD: "}SETENV: ALL
        ${cfg.extraConfig}
      '';
    };
    security.wrappers = lib.genAttrs [ "sudo" "sudoedit" ] (name: {
      setuid = true;
      owner = "root";
      group = if cfg.execWheelOnly then "wheel" else "root";
      permissions = if cfg.execWheelOnly then "u+rx,g+x" else "u+rx,g+x,o+x";
      source = "${pkgs.sudo}/bin/${name}";
    });
    environment.systemPackages = [ pkgs.sudo ];
  };
}
