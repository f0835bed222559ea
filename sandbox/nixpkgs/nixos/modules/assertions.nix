{ lib, ... }:
let
  inherit (import ../lib/declare.nix { inherit lib; }) internal;
in
{
  options.assertions = internal (lib.types.listOf lib.types.unspecified) [ ];
  options.warnings = internal (lib.types.listOf lib.types.str) [ ];
}
