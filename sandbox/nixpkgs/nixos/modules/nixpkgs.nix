{ config, lib, ... }:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option required;
  cfg = config.nixpkgs;
  platform = lib.types.either lib.types.str lib.types.attrs;
  described = description: type: type // { inherit description; };
in
{
  options.nixpkgs = {
    config = option (described "nixpkgs config" lib.types.attrs) { };
    hostPlatform = required platform;
    system = required lib.types.str;
    overlays = option (lib.types.listOf (
      lib.types.mkOptionType {
        name = "nixpkgs overlay";
        check = lib.isFunction;
      }
    )) [ ];
    pkgs = option (described "An evaluation of Nixpkgs; the top level attribute set of packages" lib.types.raw) (
      let
        base = import ../../default.nix {
          inherit (cfg) config;
          system = if builtins.isString cfg.hostPlatform then cfg.hostPlatform else cfg.hostPlatform.system;
        };
        final = lib.foldl' (previous: overlay: previous // overlay final previous) base cfg.overlays;
      in
      final
    );
  };
  config.nixpkgs.hostPlatform = lib.mkOptionDefault cfg.system;
}
