# The system's own packages: what /run/current-system/sw/bin has.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option internal;
  inherit (lib) types;
  cfg = config.environment;
in
{
  options.environment = {
    systemPackages = option (types.listOf types.package) [ ];
    corePackages = option (types.listOf types.package) [
      pkgs.bashInteractive
      pkgs.coreutils-full
      pkgs.curl
      pkgs.diffutils
      pkgs.findutils
      pkgs.gawk
      pkgs.getent
      pkgs.gnugrep
      pkgs.gnused
      pkgs.gnutar
      pkgs.gzip
      pkgs.hostname
      pkgs.iproute2
      pkgs.kmod
      pkgs.less
      pkgs.ncurses
      pkgs.openssh
      pkgs.procps
      pkgs.shadow
      pkgs.util-linux
      pkgs.which
      pkgs.xz
    ];
    defaultPackages = option (types.listOf types.package) [ ];
    pathsToLink = option (types.listOf types.str) [ ];
    extraSetup = option types.lines "";
  };
  options.system.path = internal types.package (
    pkgs.buildEnv {
      name = "system-path";
      paths = lib.unique (cfg.systemPackages ++ cfg.corePackages ++ cfg.defaultPackages);
      inherit (cfg) pathsToLink;
      postBuild = cfg.extraSetup;
    }
  );
  config.environment.etc = lib.genAttrs [
    "ssl/certs/ca-bundle.crt"
    "ssl/certs/ca-certificates.crt"
  ] (_: { source = "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt"; })
  // {
    # Debian's openssl reads its defaults here, NixOS's from the store.
    "ssl/openssl.cnf".text = "[req]\ndistinguished_name = name\n[name]\n";
  };
  config.environment.pathsToLink = [
    "/bin"
    "/share"
  ];
  config.environment.systemPackages = [
    pkgs.dbus
    pkgs.nix
    pkgs.systemd
  ];
}
