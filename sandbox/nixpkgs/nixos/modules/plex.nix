{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option;
  inherit (lib) types;
  cfg = config.services.plex;
in
{
  options.services.plex = {
    enable = option types.bool false;
    dataDir = option types.str "/var/lib/plex";
    openFirewall = option types.bool false;
    user = option types.str "plex";
    group = option types.str "plex";
    extraPlugins = option (types.listOf types.path) [ ];
    extraScanners = option (types.listOf types.path) [ ];
    accelerationDevices = option (types.listOf types.str) [ "*" ];
    package = option types.package pkgs.plex;
  };

  config = lib.mkIf cfg.enable {
    systemd.services.plex = {
      description = "Plex Media Server";
      after = [ "network.target" ];
      wantedBy = [ "multi-user.target" ];
      serviceConfig = {
        Type = "simple";
        User = cfg.user;
        Group = cfg.group;
        ExecStartPre = "!${pkgs.writeScript "plex-run-prestart" ''
          #!/bin/sh
          # Makes the data's folder where there is none, as root.
          if ! test -d "$PLEX_DATADIR"; then
            echo "Creating initial Plex data directory in: $PLEX_DATADIR"
            install -d -m 0755 -o "${cfg.user}" -g "${cfg.group}" "$PLEX_DATADIR"
          fi
        ''}";
        ExecStart = "${cfg.package}/bin/plexmediaserver";
        KillSignal = "SIGQUIT";
        PIDFile = "${cfg.dataDir}/Plex Media Server/plexmediaserver.pid";
        Restart = "on-failure";

        NoNewPrivileges = true;
        PrivateTmp = true;
        PrivateDevices = cfg.accelerationDevices == [ ];
        DeviceAllow = lib.mkIf (
          cfg.accelerationDevices != [ ] && !lib.elem "*" cfg.accelerationDevices
        ) cfg.accelerationDevices;
        ProtectSystem = true;
        ProtectHome = true;
        ProtectControlGroups = true;
        ProtectKernelModules = true;
        ProtectKernelTunables = true;
        RestrictAddressFamilies = [
          "AF_UNIX"
          "AF_INET"
          "AF_INET6"
          "AF_NETLINK"
        ];
        RestrictRealtime = true;
        RestrictSUIDSGID = true;
        MemoryDenyWriteExecute = true;
        LockPersonality = true;
      };
      environment = {
        PLEX_DATADIR = cfg.dataDir;
        PLEX_PLUGINS = lib.concatMapStringsSep ":" toString cfg.extraPlugins;
        PLEX_SCANNERS = lib.concatMapStringsSep ":" toString cfg.extraScanners;
        LD_LIBRARY_PATH = "/run/opengl-driver/lib";
        PLEX_MEDIA_SERVER_MAX_PLUGIN_PROCS = "6";
        PLEX_MEDIA_SERVER_TMPDIR = "/tmp";
        PLEX_MEDIA_SERVER_USE_SYSLOG = "true";
        LC_ALL = "en_US.UTF-8";
        LANG = "en_US.UTF-8";
      };
    };
    networking.firewall = lib.mkIf cfg.openFirewall {
      allowedTCPPorts = [
        32400
        3005
        8324
        32469
      ];
      allowedUDPPorts = [
        1900
        5353
        32410
        32412
        32413
        32414
      ];
    };
    users.users = lib.mkIf (cfg.user == "plex") {
      plex = {
        group = cfg.group;
        uid = 193;
      };
    };
    users.groups = lib.mkIf (cfg.group == "plex") { plex.gid = 193; };
  };
}
