{
  config,
  lib,
  pkgs,
  utils,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option unitOption;
  inherit (lib) types;
  units = import ../lib/units.nix { inherit lib pkgs; };
  cfg = config.systemd;

  ofKind = kind: lib.mapAttrs' (name: unit: lib.nameValuePair "${name}.${kind}" (units.toUnit kind unit));

  tree = pkgs.runCommand "system-units" {
    units = builtins.toJSON (lib.attrValues cfg.units);
    own = builtins.readFile ../lib/debian-units.txt;
    suppressed = cfg.suppressedSystemUnits;
    passAsFile = [
      "units"
      "own"
    ];
  } "/usr/bin/python3 ${../activation/build_units.py} $unitsPath $ownPath ${cfg.defaultUnit} $out $suppressed";
in
{
  options.systemd = {
    units = option (types.attrsOf units.unitType) { };
    services = option (types.attrsOf units.types.service) { };
    targets = option (types.attrsOf units.types.target) { };
    sockets = option (types.attrsOf units.types.socket) { };
    timers = option (types.attrsOf units.types.timer) { };
    paths = option (types.attrsOf units.types.path) { };
    slices = option (types.attrsOf units.types.slice) { };
    mounts = option (types.listOf units.types.mount) [ ];
    defaultUnit = option types.str "multi-user.target";
    suppressedSystemUnits = option (types.listOf types.str) [ ];
    settings.Manager = option (types.submodule { freeformType = types.attrsOf unitOption; }) { };
  };

  config = {
    assertions = lib.concatLists (
      lib.mapAttrsToList (name: service: [
        {
          assertion =
            !(service.serviceConfig.Type or "" == "oneshot" && service.serviceConfig.Restart or "no" == "always");
          message = "Service '${name}.service' with 'Type=oneshot' cannot have 'Restart=always'";
        }
      ]) cfg.services
    );

    systemd.units =
      ofKind "service" cfg.services
      // ofKind "target" cfg.targets
      // ofKind "socket" cfg.sockets
      // ofKind "timer" cfg.timers
      // ofKind "path" cfg.paths
      // ofKind "slice" cfg.slices
      // lib.listToAttrs (
        map (
          mount: lib.nameValuePair "${utils.escapeSystemdPath mount.where}.mount" (units.toUnit "mount" mount)
        ) cfg.mounts
      );

    systemd.timers = lib.mapAttrs (name: service: {
      wantedBy = [ "timers.target" ];
      timerConfig.OnCalendar = service.startAt;
    }) (lib.filterAttrs (_: service: service.enable && service.startAt != [ ]) cfg.services);

    systemd.settings.Manager = {
      DefaultIOAccounting = lib.mkDefault true;
      DefaultIPAccounting = lib.mkDefault true;
      ManagerEnvironment = "PATH=${lib.makeBinPath [ pkgs.coreutils pkgs.util-linux pkgs.fuse3 pkgs.systemd ]}";
    };
    # What a switch starts again so that what sysinit.target once did is done for the new generation.
    systemd.targets.sysinit-reactivation.description = "Reactivate sysinit units";

    environment.etc = {
      "systemd/system".source = tree;
      "systemd/system.conf".text = "[Manager]\n${units.settings cfg.settings.Manager}";
      "systemd/system-preset/00-nixos.preset".text = "ignore *\n";
      "systemd/user-preset/00-nixos.preset".text = "ignore *\n";
      # Debian's own way to units that NixOS does not know.
      "systemd/system-generators/systemd-sysv-generator".source = "/dev/null";
      "systemd/system-generators/systemd-ssh-generator".source = "/dev/null";
      "systemd/system-generators/systemd-rc-local-generator".source = "/dev/null";
    };
    system.build.units = tree;
  };
}
