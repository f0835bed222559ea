"""The stand-in for nixos-images' kexec installer."""
