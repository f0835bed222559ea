# A virtual server at Hetzner: its disk, its boot loader, its consoles.
{
  nixpkgs.hostPlatform = "x86_64-linux";

  boot.initrd.availableKernelModules = [
    "ahci"
    "sd_mod"
    "sr_mod"
    "virtio_pci"
    "virtio_scsi"
    "xhci_pci"
  ];

  # Hetzner has servers with BIOS and others with UEFI only, so GRUB is installed for both. Firmware
  # finds it at the removable path: nothing has to be written into the machine's variables.
  boot.loader.grub = {
    enable = true;
    efiSupport = true;
    efiInstallAsRemovable = true;
    configurationLimit = 10;
  };
  # Kernels stay on the root file system, so that the small EFI partition never fills.
  boot.loader.efi.efiSysMountPoint = "/boot/efi";

  # The last console gets the kernel's messages: Hetzner's web console shows tty0.
  boot.kernelParams = [
    "console=ttyS0,115200"
    "console=tty0"
  ];

  # The disk grows with the server type.
  boot.growPartition = true;
  fileSystems."/" = {
    device = "/dev/disk/by-label/nixos";
    fsType = "ext4";
    autoResize = true;
  };
  fileSystems."/boot/efi" = {
    device = "/dev/disk/by-label/ESP";
    fsType = "vfat";
    options = [ "umask=0077" ];
  };

  services.qemuGuest.enable = true;
}
