# Activation: small scripts, ordered by what they need, that bring a generation to life.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option internal;
  inherit (lib) types;

  script = {
    options = {
      deps = internal (types.listOf types.str) [ ];
      text = internal types.lines "";
      supportsDryActivation = internal types.bool false;
    };
  };

  # Each name after everything that it needs.
  ordered =
    scripts: dry:
    let
      visit =
        seen: name:
        if lib.elem name seen || !scripts ? ${name} then
          seen
        else
          lib.foldl' visit seen scripts.${name}.deps ++ [ name ];
      names = lib.filter (name: !dry || scripts.${name}.supportsDryActivation) (
        lib.foldl' visit [ ] (lib.attrNames scripts)
      );
    in
    lib.concatMapStrings (name: ''
      #### Activation script snippet ${name}:
      _localstatus=0
      ${scripts.${name}.text}

      if [ "$_localstatus" -gt 0 ]; then
        printf 'Activation script snippet %s failed (%s)\n' ${name} "$_localstatus"
      fi
    '') names;

  activate =
    dry:
    pkgs.writeScript (if dry then "dry-activate" else "activate") ''
      #!${pkgs.bash}/bin/bash
      # Brings this generation to life${lib.optionalString dry ", or rather says what it would do"}.
      systemConfig=@out@
      export PATH=${
        lib.makeBinPath [
          pkgs.coreutils
          pkgs.gnugrep
          pkgs.findutils
          pkgs.util-linux
          pkgs.getent
          pkgs.systemd
        ]
      }
      NIXOS_ACTION=''${NIXOS_ACTION-${if dry then "dry-activate" else "activate"}}
      export NIXOS_ACTION
      umask 0022
      _status=0
      # A failed command is remembered, and the rest is done all the same.
      trap '_status=1 _localstatus=$?' ERR

      ${ordered config.system.activationScripts dry}

      ${lib.optionalString (!dry) ''
        # What runs now, and what the garbage collector must not take.
        ln -sfn "$(readlink -f "$systemConfig")" /run/current-system
        mkdir -p /nix/var/nix/gcroots
        ln -sfn /run/current-system /nix/var/nix/gcroots/current-system
      ''}
      exit $_status
    '';
in
{
  options.system = {
    activationScripts = lib.mkOption {
      type = types.attrsOf (types.either types.str (types.submodule script));
      default = { };
      apply = lib.mapAttrs (
        _: s:
        if builtins.isString s then
          {
            text = s;
            deps = [ ];
            supportsDryActivation = false;
          }
        else
          s
      );
    };
    build = lib.mkOption {
      default = { };
      type = types.submodule { freeformType = types.lazyAttrsOf types.unspecified; };
    };
  };

  config.system.activationScripts = {
    specialfs = ''
      mkdir -p /proc /sys /dev /run
    '';
    var = ''
      mkdir -p /var /var/empty /var/tmp /var/lib/nixos /var/log /tmp
      chmod 0555 /var/empty
      chmod 1777 /tmp /var/tmp
    '';
    hostname.text = lib.optionalString (config.networking.hostName != "") ''
      ${pkgs.hostname}/bin/hostname ${lib.escapeShellArg config.networking.hostName}
    '';
  };
  config.system.build = {
    activationScript = activate false;
    dryActivationScript = activate true;
  };
}
