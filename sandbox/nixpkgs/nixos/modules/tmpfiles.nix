{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option;
  inherit (lib) types;
  cfg = config.systemd.tmpfiles;

  # Of the rules beneath, NixOS has systemd's own; those of Debian's packages are masked.
  masked = [
    "dbus"
    "debian"
    "etc"
    "legacy"
    "openssh-client"
    "openssh-server"
    "passwd"
    "sudo"
  ];

  rule = name: {
    options = {
      type = option types.str name;
      mode = option types.str "-";
      user = option types.str "-";
      group = option types.str "-";
      age = option types.str "-";
      argument = option types.str "";
    };
  };
in
{
  options.systemd.tmpfiles = {
    rules = option (types.listOf types.str) [ ];
    packages = option (types.listOf types.package) [ ];
    settings = option (types.attrsOf (
      types.attrsOf (types.attrsOf (types.submodule ({ name, ... }: rule name)))
    )) { };
  };

  config.systemd.tmpfiles.rules = [
    "d /nix/var 0755 root root - -"
    "L+ /nix/var/nix/gcroots/booted-system 0755 root root - /run/booted-system"
    "d /run/lock 0755 root root - -"
    "d /var/db 0755 root root - -"
    "L /var/lock - - - - ../run/lock"
    "R! /etc/group.lock - - - - -"
    "R! /etc/passwd.lock - - - - -"
    "R! /etc/shadow.lock - - - - -"
  ];

  config.environment.etc = {
    "tmpfiles.d/00-nixos.conf".text =
      "# Made of the option systemd.tmpfiles.rules\n" + lib.concatLines cfg.rules;
  }
  // lib.listToAttrs (
    map (name: lib.nameValuePair "tmpfiles.d/${name}.conf" { source = "/dev/null"; }) masked
  )
  // lib.mapAttrs' (
    name: paths:
    lib.nameValuePair "tmpfiles.d/${name}.conf" {
      text = lib.concatStrings (
        lib.concatLists (
          lib.mapAttrsToList (
            path: rules:
            lib.mapAttrsToList (
              _: r: "'${r.type}' '${path}' '${r.mode}' '${r.user}' '${r.group}' '${r.age}' ${r.argument}\n"
            ) rules
          ) paths
        )
      );
    }
  ) cfg.settings;

  config.systemd.services.systemd-tmpfiles-resetup = {
    description = "Re-setup tmpfiles on a system that is already running.";
    requiredBy = [ "sysinit-reactivation.target" ];
    after = [
      "local-fs.target"
      "systemd-sysusers.service"
      "systemd-journald.service"
    ];
    before = [
      "sysinit-reactivation.target"
      "shutdown.target"
    ];
    conflicts = [ "shutdown.target" ];
    restartTriggers = [ config.environment.etc."tmpfiles.d/00-nixos.conf".source ];
    unitConfig.DefaultDependencies = false;
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
      ExecStart = "${pkgs.systemd}/bin/systemd-tmpfiles --create --remove --exclude-prefix=/dev";
      SuccessExitStatus = "DATAERR CANTCREAT";
    };
  };
}
