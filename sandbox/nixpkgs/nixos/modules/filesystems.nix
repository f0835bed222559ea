# /etc/fstab. A machine of the sandbox mounts none of it by itself: its disk is mounted before it starts.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option required;
  inherit (lib) types;

  nonEmpty = types.strWhere "string (with check: non-empty)" (x: builtins.match "[ \t\n]*" x == null);
  folder = types.strWhere "string (with check: non-empty without trailing slash)" (
    x: x == "/" || (x != "" && !lib.hasSuffix "/" x)
  );

  fileSystem = { config, name, ... }: {
    options = {
      enable = option types.bool true;
      mountPoint = option folder name;
      device = option (types.nullOr nonEmpty) null;
      fsType = option nonEmpty "auto";
      label = option (types.nullOr nonEmpty) null;
      options = option (types.nonEmptyListOf nonEmpty) [ "defaults" ];
      depends = option (types.listOf folder) [ ];
      neededForBoot = option types.bool false;
      autoResize = option types.bool false;
      autoFormat = option types.bool false;
      noCheck = option types.bool false;
    };
    config.options = lib.mkIf config.autoResize [ "x-systemd.growfs" ];
    config.device = lib.mkIf (config.label != null) (lib.mkDefault "/dev/disk/by-label/${config.label}");
  };
  swap = {
    options = {
      device = required (types.strWhere "non-empty string" (x: x != ""));
      label = lib.mkOption { type = types.str; };
      size = option (types.nullOr types.int) null;
      priority = option (types.nullOr types.int) null;
      options = option (types.listOf (types.strWhere "non-empty string" (x: x != ""))) [ "defaults" ];
    };
  };
in
{
  options = {
    fileSystems = option (types.attrsOf (types.submodule fileSystem)) { };
    swapDevices = option (types.listOf (types.submodule swap)) [ ];
    zramSwap.enable = option types.bool false;
    zramSwap.memoryPercent = option types.ints.positive 50;
    zramSwap.memoryMax = option (types.nullOr types.int) null;
    zramSwap.priority = option types.int 5;
    zramSwap.algorithm = option (types.either (types.enum [
      "842"
      "lzo"
      "lzo-rle"
      "lz4"
      "lz4hc"
      "zstd"
    ]) types.str) "zstd";
  };
  config = {
    assertions = [
      {
        assertion = config.fileSystems ? "/" || config.boot.isContainer;
        message = "The ‘fileSystems’ option does not specify your root file system.";
      }
    ]
    ++ lib.mapAttrsToList (name: fs: {
      assertion = fs.device != null || fs.fsType == "tmpfs";
      message = "No device specified for mount point ‘${name}’.";
    }) config.fileSystems;

    environment.etc.fstab.text =
      "# Made by NixOS; changes would be lost.\n"
      + lib.concatMapStrings (
        fs:
        "${if fs.device == null then "none" else fs.device} ${fs.mountPoint} ${fs.fsType} ${lib.concatStringsSep "," fs.options} 0 ${
          if fs.noCheck then "0" else if fs.mountPoint == "/" then "1" else "2"
        }\n"
      ) (lib.filter (fs: fs.enable) (lib.attrValues config.fileSystems))
      + lib.concatMapStrings (
        s:
        "${s.device} none swap ${
          lib.concatStringsSep "," (s.options ++ lib.optional (s.priority != null) "pri=${toString s.priority}")
        } 0 0\n"
      ) config.swapDevices;

    # A file for swap is made before it is taken into use. A container takes none, so it makes none either: systemd
    # makes no swap unit of its fstab.
    systemd.services = lib.listToAttrs (
      map (
        s:
        let
          unit = utils.escapeSystemdPath s.device;
        in
        lib.nameValuePair "mkswap-${lib.replaceStrings [ "\\" ] [ "" ] unit}" {
          description = "Initialisation of swap device ${s.device}";
          wantedBy = [ "${unit}.swap" ];
          after = [ "systemd-modules-load.service" ];
          before = [
            "${unit}.swap"
            "shutdown.target"
          ];
          conflicts = [ "shutdown.target" ];
          restartIfChanged = false;
          path = [
            pkgs.util-linux
            pkgs.e2fsprogs
          ];
          environment.DEVICE = s.device;
          unitConfig.RequiresMountsFor = [ (dirOf s.device) ];
          unitConfig.DefaultDependencies = false;
          serviceConfig = {
            Type = "oneshot";
            RemainAfterExit = false;
            ExecStop = "";
            UMask = "0177";
          };
          script = ''
            has=$(stat -c %s "$DEVICE" 2>/dev/null || echo 0)
            if [ ! -b "$DEVICE" ] && [ $((has / 1024 / 1024)) != ${toString s.size} ]; then
              dd if=/dev/zero of="$DEVICE" bs=1M count=${toString s.size}
              mkswap "$DEVICE"
            fi
          '';
        }
      ) (lib.filter (s: s.size != null) config.swapDevices)
    );
    environment.etc."systemd/zram-generator.conf" = lib.mkIf config.zramSwap.enable {
      text = lib.generators.toINI { } {
        zram0 = {
          compression-algorithm = config.zramSwap.algorithm;
          swap-priority = config.zramSwap.priority;
          zram-size = "ram * ${toString config.zramSwap.memoryPercent} / 100";
        };
      };
    };
  };
}
