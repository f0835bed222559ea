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
  # An older nixpkgs takes its own options alone, and a still older one takes tests by another name.
  older =
    test:
    runTest (
      test
      // {
        nodes = builtins.mapAttrs (_: node: { imports = [ (adapted node) ./older.nix ]; }) test.nodes;
      }
    );
  runTest =
    if builtins.pathExists (nixpkgs + "/nixos/lib/testing") then
      (import (nixpkgs + "/nixos/lib") { }).runTest
    else
      test:
      (import (nixpkgs + "/nixos/lib/testing-python.nix") { system = builtins.currentSystem; }).makeTest {
        inherit (test) name nodes testScript;
      };
  told = { inherit nixpkgs rendered domain bucket; };
in
(import ../vm/nixos.nix (told // (if adapt then { runTest = older; } else { }))).drvPath
