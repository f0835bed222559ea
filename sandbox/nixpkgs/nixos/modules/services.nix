# Small services of every system, and those that mean nothing in a container.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option unitOption;
  inherit (lib) types;
  units = import ../lib/units.nix { inherit lib pkgs; };
in
{
  options = {
    services.qemuGuest.enable = option types.bool false;
    services.timesyncd = {
      enable = option types.bool (!config.boot.isContainer);
      servers = option (types.nullOr (types.listOf types.str)) null;
      extraConfig = option types.lines "";
    };
    services.fstrim.enable = option types.bool true;
    services.fstrim.interval = option types.str "weekly";
    services.logind.settings.Login = option (types.submodule {
      freeformType = types.attrsOf unitOption;
      options.KillUserProcesses = option types.bool false;
    }) { };
    services.dbus.packages = option (types.listOf types.path) [ ];
  };

  config = {
    environment.etc."systemd/logind.conf".text = "[Login]\n${
      units.settings (
        lib.mapAttrs (
          _: v: if builtins.isBool v then lib.boolToYesNo v else v
        ) config.services.logind.settings.Login
      )
    }";
    systemd.services.dbus.restartIfChanged = false;
    systemd.services.systemd-logind = {
      restartTriggers = [ config.environment.etc."systemd/logind.conf".source ];
      stopIfChanged = false;
    };

    environment.etc."systemd/timesyncd.conf" = lib.mkIf config.services.timesyncd.enable {
      text = ''
        [Time]
        NTP=${
          toString (
            if config.services.timesyncd.servers == null then
              config.networking.timeServers
            else
              config.services.timesyncd.servers
          )
        }
        ${config.services.timesyncd.extraConfig}
      '';
    };
    # A container has its computer's clock: the unit exists, and its condition keeps it from running.
    systemd.services.systemd-timesyncd = lib.mkIf config.services.timesyncd.enable {
      wantedBy = [ "sysinit.target" ];
      overrideStrategy = "asDropin";
    };
    environment.etc."udev/rules.d/99-local.rules" = lib.mkIf config.services.qemuGuest.enable {
      text = ''
        SUBSYSTEM=="virtio-ports", ATTR{name}=="org.qemu.guest_agent.0", TAG+="systemd" ENV{SYSTEMD_WANTS}="qemu-guest-agent.service"
      '';
    };
    systemd.services.qemu-guest-agent = lib.mkIf config.services.qemuGuest.enable {
      description = "Run the QEMU Guest Agent";
      serviceConfig = {
        # The agent itself is no part of the sandbox's machines.
        ExecStart = "/usr/sbin/qemu-ga --statedir /run/qemu-ga";
        RuntimeDirectory = "qemu-ga";
        Restart = "always";
        RestartSec = 0;
      };
    };
    systemd.services.fstrim = lib.mkIf config.services.fstrim.enable {
      description = "Discard unused blocks on filesystems from /etc/fstab";
      unitConfig.ConditionVirtualization = "!container";
      serviceConfig.Type = "oneshot";
      serviceConfig.ExecStart = "${pkgs.util-linux}/bin/fstrim --listed-in /etc/fstab --verbose";
      startAt = config.services.fstrim.interval;
    };
  };
}
