# What is asked of a host's configuration, by a nixpkgs: the whole, and the texts that its programs read.
{
  nixpkgs,
  configuration,
  adapt ? false,
}:
let
  nixos = import (nixpkgs + "/nixos");
  bare = nixos { configuration = { }; };
  adapted = import ./adapter.nix {
    inherit (bare.pkgs) lib;
    inherit (bare) options;
  };
  inherit
    (nixos {
      configuration.imports = if adapt then [ (adapted configuration) ./older.nix ] else [ configuration ];
    })
    config
    pkgs
    ;
  inherit (pkgs) lib;

  # The derivations that a text speaks of.
  derivations = text: builtins.attrNames (builtins.getContext text);
  isFile = name: file: file.enable && (name == "ssh/sshd_config" || lib.hasPrefix "systemd/network/" name);
in
{
  # Forces everything: names, types, merging, assertions.
  system = config.system.build.toplevel.drvPath;
  inherit (config) warnings;
  units = lib.mapAttrs (_: unit: {
    inherit (unit) text wantedBy requiredBy;
    derivations = derivations unit.text;
  }) (lib.filterAttrs (_: unit: unit.enable && unit.text != null) config.systemd.units);
  files = lib.mapAttrs (
    _: file:
    let
      source = toString file.source;
    in
    {
      path = source;
      derivations = derivations source;
    }
  ) (lib.filterAttrs isFile config.environment.etc);
  tables = lib.mapAttrs (_: table: table.content) (config.networking.nftables.tables or { });
}
