{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option;
  inherit (lib) types;
  cfg = config.programs;
in
{
  options.programs = {
    # NixOS 25.11 has it on, 26.11 and later ones off.
    fuse.enable = option types.bool false;
    fuse.mountMax = option (types.ints.between 0 32767) 1000;
    fuse.userAllowOther = option types.bool false;
    htop.enable = option types.bool false;
    htop.package = option types.package pkgs.htop;
    vim.enable = option types.bool false;
    vim.package = option types.package pkgs.vim;
    nano.enable = option types.bool true;
  };

  config = {
    environment.systemPackages =
      lib.optional cfg.fuse.enable pkgs.fuse3
      ++ lib.optional cfg.htop.enable cfg.htop.package
      ++ lib.optional cfg.vim.enable cfg.vim.package;
    environment.etc."fuse.conf" = lib.mkIf cfg.fuse.enable {
      text = ''
        ${lib.optionalString (!cfg.fuse.userAllowOther) "#"}user_allow_other
        mount_max = ${toString cfg.fuse.mountMax}
      '';
    };
    security.wrappers = lib.mkIf cfg.fuse.enable (
      lib.genAttrs [ "fusermount" "fusermount3" ] (name: {
        setuid = true;
        owner = "root";
        group = "root";
        source = "${pkgs.fuse3}/bin/${name}";
      })
    );
  };
}
