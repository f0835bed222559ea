# What a generation is: one folder in the store.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option;
  inherit (lib) types;
  cfg = config.system;

  failed = map (a: a.message) (lib.filter (a: !a.assertion) config.assertions);
  checked =
    result:
    if failed != [ ] then
      throw "\nFailed assertions:\n${lib.concatMapStringsSep "\n" (message: "- ${message}") failed}"
    else
      lib.foldr lib.warn result config.warnings;

  init = pkgs.writeScript "init" ''
    #!/bin/sh
    # The first process: what mounts proc, sys, dev and run has done so.
    systemConfig=@out@
    export PATH=${lib.makeBinPath [ pkgs.coreutils ]}
    echo "running activation script..."
    "$systemConfig/activate"
    ln -sfn "$systemConfig" /run/booted-system
    mkdir -p /nix/var/nix/gcroots
    ln -sfn /run/booted-system /nix/var/nix/gcroots/booted-system
    echo "starting systemd..."
    exec /run/current-system/systemd/lib/systemd/systemd "$@"
  '';

  chosen = modules: lib.attrNames (lib.filterAttrs (_: wanted: wanted) modules);
  # As NixOS's, it has no drivers but those that the configuration names, and no file systems but its own.
  initrd = pkgs.runCommand "initrd" {
    modules =
      chosen config.boot.initrd.availableKernelModules
      ++ chosen config.boot.initrd.kernelModules
      ++ lib.mapAttrsToList (_: fs: fs.fsType) (
        lib.filterAttrs (path: fs: fs.neededForBoot || path == "/") config.fileSystems
      );
  } "/usr/lib/sandbox/initrd/make $out $modules";

  # A package of Python's, without what Python may have left beside its files.
  switcher = pkgs.runCommand "switch-to-configuration-program" { } ''
    mkdir -p $out/switch
    ${lib.concatMapStrings
      (name: ''
        cp ${../activation/switch + "/${name}"} $out/switch/${name}
      '')
      [
        "__init__.py"
        "__main__.py"
        "plan.py"
        "systemd.py"
        "units.py"
      ]
    }
  '';
  switchToConfiguration = pkgs.writeScript "switch-to-configuration" ''
    #!/bin/sh
    export PATH=${
      lib.makeBinPath [
        pkgs.coreutils
        pkgs.systemd
        pkgs.util-linux
      ]
    }
    PYTHONPATH=${switcher} exec ${pkgs.python3}/bin/python3 -B -m switch @out@ ${lib.escapeShellArg cfg.build.installBootLoader} "$@"
  '';
in
{
  options.system = {
    name = option types.str (if config.networking.hostName == "" then "unnamed" else config.networking.hostName);
    checks = option (types.listOf types.package) [ ];
    extraDependencies = option (types.listOf types.pathInStore) [ ];
    preSwitchChecks = option (types.attrsOf types.str) { };
    switch.enable = option types.bool true;
  };

  config.system.build = {
    inherit initrd;
    toplevel = checked (
      pkgs.runCommand "nixos-system-${cfg.name}-${cfg.nixos.label}"
        {
          extraDependencies = map toString cfg.extraDependencies;
          checks = map toString cfg.checks;
          nixosLabel = cfg.nixos.label;
          kernelParams = toString config.boot.kernelParams;
        }
        ''
          mkdir -p $out/bin $out/specialisation
          ln -s ${pkgs.linux}/bzImage $out/kernel
          ln -s ${pkgs.linux} $out/kernel-modules
          ln -s ${initrd} $out/initrd
          ln -s ${cfg.build.etc}/etc $out/etc
          ln -s ${cfg.path} $out/sw
          ln -s ${pkgs.systemd} $out/systemd
          printf %s "$kernelParams" >$out/kernel-params
          printf %s "$nixosLabel" >$out/nixos-version
          printf %s "${pkgs.system}" >$out/system
          printf %s "systemd 2" >$out/init-interface-version
          echo "$extraDependencies $checks" >$out/extra-dependencies
          substitute() {
            sed "s|@out@|$out|g" "$1" >"$2"
            chmod +x "$2"
          }
          substitute ${init} $out/init
          substitute ${cfg.build.activationScript} $out/activate
          substitute ${cfg.build.dryActivationScript} $out/dry-activate
          ${lib.optionalString cfg.switch.enable "substitute ${switchToConfiguration} $out/bin/switch-to-configuration"}
          ${lib.optionalString (cfg.preSwitchChecks != { }) ''
            ln -s ${
              pkgs.writeShellScript "pre-switch-checks" (
                lib.concatStrings (
                  lib.mapAttrsToList (name: text: ''
                    (
                    ${text}
                    ) || { echo "Pre-switch check '${name}' failed" >&2; exit 1; }
                  '') cfg.preSwitchChecks
                )
              )
            } $out/pre-switch-checks
          ''}
        ''
    );
  };
}
