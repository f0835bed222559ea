# What `pulumi up` relies on on this host, beside the scripts that it brings itself: what a boot has to settle
# before Plex starts, and the command that tells whether the host is what its stack has made of it.
{ pkgs, ... }:
{
  systemd.services.converge-recover = {
    description = "What a change left open when the host went down";
    wantedBy = [ "multi-user.target" ];
    before = [
      "media.service"
      "plex.service"
    ];
    # Once a boot: a change that is being made settles its own.
    unitConfig.ConditionPathExists = "!/run/converge";
    restartIfChanged = false;
    path = [ "/run/current-system/sw" ]; # as a shell has it that `pulumi up` opens
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
      ExecStart = "${pkgs.bash}/bin/sh ${./host}/recover.sh";
    };
  };

  # A panic comes back by itself, into the generation that is the default.
  boot.kernelParams = [ "panic=30" ];
  # So does a kernel that hangs, if the server has a watchdog. QEMU's is one that NixOS does not load by itself.
  boot.kernelModules = [ "i6300esb" ];
  systemd.settings.Manager.RuntimeWatchdogSec = "30s";

  # Who can open a file can hold its lock. Ours lie where only root gets; NixOS makes its own, for whoever activates a
  # generation, so that anybody could hold up every change, unless it is there already.
  systemd.tmpfiles.rules = [
    "d /run/host-locks 0700 root root - -"
    "f /run/nixos/switch-to-configuration.lock 0600 root root - -"
    # What was on its way to the host when the power failed, secrets among it.
    "R! /etc/.payload.*"
    "R! /root/.payload.*"
  ];

  environment.systemPackages = [
    (pkgs.writeShellScriptBin "drift" (builtins.readFile ./host/drift.sh))
    pkgs.grub2_efi # for grub-editenv, which NixOS leaves out where there is no BIOS
    pkgs.sqlite # for database.sh
  ];
}
