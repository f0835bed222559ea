# environment.etc as one tree of links in the store, which activation lays under /etc.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option required;
  inherit (lib) types;

  file = { config, name, ... }: {
    options = {
      enable = option types.bool true;
      target = required types.str;
      text = option (types.nullOr types.lines) null;
      source = required types.path;
      mode = option types.str "symlink";
      uid = option types.int 0;
      gid = option types.int 0;
      user = option types.str "+${toString config.uid}";
      group = option types.str "+${toString config.gid}";
    };
    config = {
      target = lib.mkDefault name;
      source = lib.mkIf (config.text != null) (
        lib.mkDefault (pkgs.writeText "etc-${baseNameOf name}" config.text)
      );
    };
  };

  enabled = lib.filter (f: f.enable) (lib.attrValues config.environment.etc);
in
{
  options.environment.etc = option (types.attrsOf (types.submodule file)) { };

  config.system.build.etc = pkgs.runCommand "etc" {
    files = builtins.toJSON (
      map (f: {
        inherit (f) target mode user group;
        source = "${f.source}";
      }) enabled
    );
    passAsFile = [ "files" ];
  } "/usr/bin/python3 ${../activation/build_etc.py} $filesPath $out";

  config.system.activationScripts.etc = {
    deps = [ "users" ];
    text = "${pkgs.python3}/bin/python3 ${../activation/setup_etc.py} ${config.system.build.etc}/etc";
  };
}
