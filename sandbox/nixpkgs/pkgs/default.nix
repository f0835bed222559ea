# Packages that are links to Debian's programs, and the builders that configurations use.
{ config, system }:
let
  lib = import ../lib;
  builders = import ./builders.nix { inherit lib system config; };
  debian = import ./debian.nix { inherit (builders) mkDerivation; };
  programs = import ./programs.nix;

  pkgs =
    lib.mapAttrs debian programs
    // builders
    // import ./special.nix { inherit lib pkgs; }
    // {
      inherit lib config system;
      bashInteractive = pkgs.bash;
      runtimeShell = "${pkgs.bash}/bin/bash";
      bashNonInteractive = pkgs.bash;
      coreutils-full = pkgs.coreutils;
      python3Minimal = pkgs.python3;
      python313 = pkgs.python3;
      dnsutils = pkgs.bind;
      dig = pkgs.bind;
      nginxStable = pkgs.nginx;
      nginxMainline = pkgs.nginx;
      nginxQuic = pkgs.nginx; # NixOS's own has QUIC since 26.05
      fuse = pkgs.fuse3;
      grub2_efi = pkgs.grub2;
    };
in
pkgs
