# import <nixpkgs> { }: the packages, and their `lib`.
{
  config ? { },
  system ? builtins.currentSystem,
}:
import ./pkgs { inherit config system; }
