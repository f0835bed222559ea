# The part of nixpkgs' `lib` that our configuration and these modules use, with nixpkgs' names and meanings.
let
  lib =
    builtins
    // import ./trivial.nix { inherit lib; }
    // import ./lists.nix { inherit lib; }
    // import ./attrsets.nix { inherit lib; }
    // import ./strings.nix { inherit lib; }
    // import ./options.nix { inherit lib; }
    // import ./properties.nix { inherit lib; }
    // {
      trivial = import ./trivial.nix { inherit lib; };
      lists = import ./lists.nix { inherit lib; };
      attrsets = import ./attrsets.nix { inherit lib; };
      strings = import ./strings.nix { inherit lib; };
      types = import ./types.nix { inherit lib; };
      generators = import ./generators.nix { inherit lib; };
      inherit (import ./modules.nix { inherit lib; }) evalModules mkAliasOptionModule;
    };
in
lib
