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

  environment.systemPackages = [
    (pkgs.writeShellScriptBin "drift" (builtins.readFile ./host/drift.sh))
    pkgs.grub2_efi # for grub-editenv, which NixOS leaves out where there is no BIOS
  ];
}
