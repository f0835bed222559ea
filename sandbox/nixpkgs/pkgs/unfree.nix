# Unfree packages are refused unless the configuration allows them, as in nixpkgs.
{ lib, config }:
attributes: result:
let
  license = attributes.meta.license or { };
  free = lib.all (l: l.free or true) (lib.toList license);
  allowed = config.allowUnfree or false || (config.allowUnfreePredicate or (_: false)) attributes;
in
if free || allowed then
  result
else
  throw ''
    Package ‘${attributes.name}’ has an unfree license (‘${license.shortName or "unfree"}’), refusing to evaluate.

    For `nixos-rebuild` you can set
      { nixpkgs.config.allowUnfree = true; }
    in configuration.nix to override this.

    Alternatively you can configure a predicate to allow specific packages:
      { nixpkgs.config.allowUnfreePredicate = pkg: builtins.elem (lib.getName pkg) [
          "${lib.getName attributes}"
        ];
      }
  ''
