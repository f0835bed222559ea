# What the tests install: a NixOS that answers by SSH with the installer's keys, and whose disk grows.
{
  boot.loader.grub = {
    devices = [ "/dev/sda" ];
    efiSupport = true;
    efiInstallAsRemovable = true;
  };
  boot.loader.efi.efiSysMountPoint = "/boot/efi";
  boot.growPartition = true;
  fileSystems."/" = {
    device = "/dev/disk/by-label/nixos";
    fsType = "ext4";
    autoResize = true;
  };
  networking.useNetworkd = true;
  networking.useDHCP = false;
  # As the installer had it.
  environment.etc."systemd/network/00-eth0.network".source = ./eth0.network;
  services.openssh.enable = true;
  users.users.root.openssh.authorizedKeys.keyFiles = [ ./authorized_keys ];
  environment.defaultPackages = [ ];
  system.stateVersion = "99.05";
}
