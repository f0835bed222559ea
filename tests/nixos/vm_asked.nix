# The derivation of the VM test, by a nixpkgs: everything in it is evaluated, and nothing built.
{
  nixpkgs,
  rendered,
  domain,
  bucket,
  adapt ? false,
}:
let
  bare = import (nixpkgs + "/nixos") {
    configuration.imports = [ (nixpkgs + "/nixos/modules/virtualisation/qemu-vm.nix") ];
  };
  adapted = import ./adapter.nix {
    inherit (bare.pkgs) lib;
    inherit (bare) options;
  };
  # An older nixpkgs takes tests by another name, and its own options alone.
  older =
    test:
    (import (nixpkgs + "/nixos/lib/testing-python.nix") { system = builtins.currentSystem; }).makeTest {
      inherit (test) name testScript;
      nodes = builtins.mapAttrs (_: node: { imports = [ (adapted node) ./older.nix ]; }) test.nodes;
    };
  told = { inherit nixpkgs rendered domain bucket; };
in
(import ../vm.nix (told // (if adapt then { runTest = older; } else { }))).drvPath
