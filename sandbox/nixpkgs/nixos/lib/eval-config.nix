# A configuration's modules together with NixOS's own.
{
  system ? builtins.currentSystem,
  modules,
  specialArgs ? { },
}:
let
  lib = import ../../lib;
  evaluated = lib.evalModules {
    modules = modules ++ (import ../modules) ++ [ { nixpkgs.system = lib.mkDefault system; } ];
    specialArgs = {
      modulesPath = toString ../modules;
      utils = import ./utils.nix { inherit lib; };
      pkgs = evaluated.config.nixpkgs.pkgs;
    }
    // specialArgs;
  };
in
evaluated // { inherit (evaluated.config.nixpkgs) pkgs; inherit lib; }
