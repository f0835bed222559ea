# What the option declares, so that a configuration that sets it evaluates: nixos-rebuild is no part of this.
{ config, lib, ... }:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option;
  inherit (lib) types;
in
{
  options.system.autoUpgrade.enable = option types.bool false;
  config.assertions = [
    {
      assertion = !config.system.autoUpgrade.enable;
      message = "system.autoUpgrade runs nixos-rebuild, which the sandbox's miniature NixOS does not have.";
    }
  ];
}
