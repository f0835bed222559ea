{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option;
  inherit (lib) types;
  cfg = config.nix;

  atom = types.oneOf [
    types.bool
    types.int
    types.float
    types.str
    types.path
    types.package
  ];
  nixAtom = types.nullOr atom // {
    description = "Nix config atom (null, bool, int, float, str, path or package)";
    descriptionClass = "conjunction";
  };

  show =
    value:
    if builtins.isBool value then
      lib.boolToString value
    else if builtins.isList value then
      lib.concatMapStringsSep " " show value
    else
      toString value;

  # Machines of the sandbox have no build users, no name spaces to build in, and no cache to ask.
  sandboxs = {
    sandbox = false;
    build-users-group = "";
    substitute = false;
  };
in
{
  options.nix = {
    enable = option types.bool true;
    package = option types.package pkgs.nix;
    channel.enable = option types.bool true;
    nixPath = option (types.listOf types.str) (
      lib.optionals cfg.channel.enable [
        "nixpkgs=/nix/var/nix/profiles/per-user/root/channels/nixos"
        "nixos-config=/etc/nixos/configuration.nix"
        "/nix/var/nix/profiles/per-user/root/channels"
      ]
    );
    settings = lib.mkOption {
      default = { };
      type = types.submodule {
        freeformType = types.attrsOf (
          types.either nixAtom (types.listOf nixAtom)
        );
        options = {
          allowed-users = option (types.listOf types.str) [ "*" ];
          trusted-users = option (types.listOf types.str) [ "root" ];
          auto-optimise-store = option types.bool false;
          cores = option types.int 0;
          max-jobs = option (types.either types.int (types.enum [ "auto" ])) "auto";
          require-sigs = option types.bool true;
          sandbox = option (types.either types.bool (types.enum [ "relaxed" ])) true;
          substituters = option (types.listOf types.str) [ "https://cache.nixos.org/" ];
          trusted-public-keys = option (types.listOf types.str) [
            "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="
          ];
        };
      };
    };
    gc = {
      automatic = option types.bool false;
      dates = lib.mkOption {
        type = types.either types.singleLineStr (types.listOf types.str);
        default = [ "03:15" ];
        apply = lib.toList;
      };
      options = option types.singleLineStr "";
      persistent = option types.bool true;
      randomizedDelaySec = option types.singleLineStr "0";
    };
    optimise.automatic = option types.bool false;
    optimise.dates = lib.mkOption {
      type = types.either types.singleLineStr (types.listOf types.str);
      default = [ "03:45" ];
      apply = lib.toList;
    };
  };

  config = lib.mkIf cfg.enable {
    environment.etc."nix/nix.conf".text =
      "# Made by NixOS from nix.settings\n"
      + lib.concatStrings (
        lib.mapAttrsToList (name: value: "${name} = ${show value}\n") (
          builtins.removeAttrs cfg.settings (lib.attrNames sandboxs)
        )
      )
      + "# The sandbox's own\n"
      + lib.concatStrings (lib.mapAttrsToList (name: value: "${name} = ${show value}\n") sandboxs);

    systemd.services.nix-gc = {
      description = "Nix Garbage Collector";
      restartIfChanged = false;
      script = "exec ${cfg.package}/bin/nix-collect-garbage ${cfg.gc.options}";
      serviceConfig.Type = "oneshot";
      startAt = lib.optionals cfg.gc.automatic cfg.gc.dates;
    };
    systemd.timers.nix-gc = lib.mkIf cfg.gc.automatic {
      timerConfig.RandomizedDelaySec = cfg.gc.randomizedDelaySec;
      timerConfig.Persistent = cfg.gc.persistent;
    };
    systemd.services.nix-optimise = {
      description = "Nix Store Optimiser";
      restartIfChanged = false;
      unitConfig.ConditionPathIsReadWrite = "/nix/var/nix/daemon-socket";
      serviceConfig.ExecStart = "${cfg.package}/bin/nix-store --optimise";
      startAt = lib.optionals cfg.optimise.automatic cfg.optimise.dates;
    };
    system.activationScripts.nix = ''
      mkdir -p /nix/var/nix/gcroots /nix/var/nix/profiles/per-user/root
    '';
  };
}
