# The kernel and GRUB.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option;
  inherit (lib) types;
  cfg = config.boot;
  grub = cfg.loader.grub;

  modules = option (
    types.coercedTo (types.listOf types.str) (names: lib.genAttrs names (_: true)) (types.attrsOf types.bool)
  ) { };

  devices = lib.unique (lib.filter (device: device != "nodev" && device != "") (grub.devices ++ [ grub.device ]));
  # What is not at the path for removable media is found by firmware's variables only, which no machine here has.
  efiFile = lib.optionalString grub.efiSupport (
    cfg.loader.efi.efiSysMountPoint
    + (if grub.efiInstallAsRemovable then "/EFI/BOOT/BOOTX64.EFI" else "/EFI/NixOS-boot/grubx64.efi")
  );

  installer = pkgs.writeScript "install-grub.sh" ''
    #!/bin/sh
    export PATH=${
      lib.makeBinPath [
        pkgs.coreutils
        pkgs.grub2
        pkgs.systemd
        pkgs.util-linux
      ]
    }
    exec ${pkgs.python3}/bin/python3 ${../activation/install_grub.py} ${toString grub.configurationLimit} \
      ${toString (if cfg.loader.timeout == null then -1 else cfg.loader.timeout)} \
      ${lib.escapeShellArg efiFile} "$1" ${lib.escapeShellArgs devices}
  '';
in
{
  options.boot = {
    loader.timeout = option (types.nullOr types.int) 5;
    loader.grub = {
      enable = option types.bool true;
      device = option types.str "";
      devices = option (types.listOf types.str) [ ];
      efiSupport = option types.bool false;
      efiInstallAsRemovable = option types.bool false;
      configurationLimit = option types.int 100;
      configurationName = option types.str "";
      copyKernels = option types.bool false;
      default = option (types.either types.int types.str) "0";
      extraConfig = option types.lines "";
      extraEntries = option types.lines "";
      forceInstall = option types.bool false;
      useOSProber = option types.bool false;
    };
    loader.efi.canTouchEfiVariables = option types.bool false;
    loader.efi.efiSysMountPoint = option types.str "/boot";
    kernelParams = option (types.listOf (
      types.strWhere "string, with spaces inside double quotes" (
        text: builtins.match ''([^ "]|"[^"]*")+'' text != null
      )
    )) [ ];
    kernelModules = modules;
    blacklistedKernelModules = modules;
    supportedFilesystems = modules;
    initrd.enable = option types.bool true;
    initrd.availableKernelModules = modules;
    initrd.kernelModules = modules;
    initrd.systemd.enable = option types.bool true;
    growPartition = option types.bool false;
    isContainer = option types.bool false;
    tmp.cleanOnBoot = option types.bool false;
    tmp.useTmpfs = option types.bool false;
    tmp.tmpfsSize = option (types.either types.str types.ints.positive) "50%";
    kernel.sysctl = option (types.submodule {
      freeformType = types.attrsOf (
        types.mkOptionType {
          name = "sysctl option value";
          check = x: builtins.isBool x || builtins.isString x || builtins.isInt x || x == null;
          inherit (types.str) merge;
        }
      );
    }) { };
  };

  config = {
    assertions = lib.optionals grub.enable [
      {
        assertion = grub.devices != [ ] || grub.device != "";
        message = "You must set the option ‘boot.loader.grub.devices’ or 'boot.loader.grub.mirroredBoots' to make the system bootable.";
      }
      {
        assertion = grub.efiInstallAsRemovable -> grub.efiSupport;
        message = "boot.loader.grub.efiInstallAsRemovable needs boot.loader.grub.efiSupport.";
      }
      {
        assertion = grub.efiInstallAsRemovable -> !cfg.loader.efi.canTouchEfiVariables;
        message = "boot.loader.grub.efiInstallAsRemovable excludes boot.loader.efi.canTouchEfiVariables.";
      }
      {
        assertion = lib.allUnique (lib.remove "nodev" (grub.devices ++ lib.optional (grub.device != "") grub.device));
        message = "You cannot have duplicated devices in mirroredBoots";
      }
    ];
    system.build.installBootLoader = if grub.enable then "${installer}" else "${pkgs.coreutils}/bin/true";

    environment.systemPackages = lib.mkIf grub.enable [ pkgs.grub2 ];
    boot.kernelParams = [ "loglevel=4" ];
    environment.etc = {
      "sysctl.d/60-nixos.conf".text = lib.concatStrings (
        lib.mapAttrsToList (
          name: value: lib.optionalString (value != null) "${name}=${if value == false then "0" else toString value}\n"
        ) cfg.kernel.sysctl
      );
      "modules-load.d/nixos.conf".text = lib.concatLines (
        lib.attrNames (lib.filterAttrs (_: wanted: wanted) cfg.kernelModules)
      );
      "modprobe.d/nixos.conf".text = lib.concatMapStrings (name: "blacklist ${name}\n") (
        lib.attrNames (lib.filterAttrs (_: wanted: wanted) cfg.blacklistedKernelModules)
      );
    };
    boot.kernel.sysctl = {
      "kernel.kptr_restrict" = lib.mkDefault 1;
      "kernel.yama.ptrace_scope" = lib.mkDefault 0;
    };
    systemd.services.systemd-sysctl = {
      wantedBy = [ "multi-user.target" ];
      restartTriggers = [ config.environment.etc."sysctl.d/60-nixos.conf".source ];
    };
    systemd.mounts = lib.optional cfg.tmp.useTmpfs {
      what = "tmpfs";
      where = "/tmp";
      type = "tmpfs";
      options = "mode=1777,strictatime,rw,nosuid,nodev,size=${toString cfg.tmp.tmpfsSize}";
      wantedBy = [ "local-fs.target" ];
    };
    systemd.tmpfiles.rules = lib.optional cfg.tmp.cleanOnBoot "D! /tmp 1777 root root";
    # In a container its kernel's own firmware does it.
    systemd.services.growpart = lib.mkIf cfg.growPartition {
      description = "Grow the root partition";
      wantedBy = [ "-.mount" ];
      after = [ "-.mount" ];
      before = [
        "systemd-growfs-root.service"
        "shutdown.target"
      ];
      conflicts = [ "shutdown.target" ];
      path = [
        pkgs.cloud-utils
        pkgs.gnused
        pkgs.gawk
        pkgs.gnugrep
        pkgs.systemd
        pkgs.util-linux
      ];
      environment.DEVICE = config.fileSystems."/".device;
      unitConfig.DefaultDependencies = false;
      unitConfig.ConditionVirtualization = "!container";
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        TimeoutSec = "infinity";
        SuccessExitStatus = "0 1"; # 1: there was nothing to grow
      };
      script = ''
        partition=$(readlink -f "$DEVICE")
        disk=$(readlink -f "/sys/class/block/''${partition##*/}/..")
        exec growpart "/dev/''${disk##*/}" "$(cat "/sys/class/block/''${partition##*/}/partition")"
      '';
    };
  };
}
