# /run/wrappers/bin: programs with rights that nothing in the store can have.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option required;
  inherit (lib) types;

  wrapper = { name, ... }: {
    options = {
      enable = option types.bool true;
      source = required types.path;
      program = option (types.nullOr types.str) name;
      owner = required types.str;
      group = required types.str;
      permissions = option (types.strWhere "file mode string" (_: true)) "u+rx,g+x,o+x";
      capabilities = option types.commas "";
      setuid = option types.bool false;
      setgid = option types.bool false;
    };
  };

  # A copy of the program with its rights. (NixOS compiles a small program that starts it.)
  install = w: ''
    cp -L ${lib.escapeShellArg "${w.source}"} "$folder/${w.program}"
    chmod 0000 "$folder/${w.program}"
    chown ${w.owner}:${w.group} "$folder/${w.program}"
    chmod "u${if w.setuid then "+" else "-"}s,g${if w.setgid then "+" else "-"}s,${w.permissions}" "$folder/${w.program}"
    ${lib.optionalString (w.capabilities != "")
      "${pkgs.libcap}/bin/setcap ${lib.escapeShellArg w.capabilities} \"$folder/${w.program}\""
    }
  '';
in
{
  options.security.wrappers = option (types.attrsOf (types.submodule wrapper)) { };
  options.security.wrapperDirSize = option types.str "50%";

  config = {
    systemd.mounts = [
      {
        where = "/run/wrappers";
        what = "tmpfs";
        type = "tmpfs";
        options = lib.concatStringsSep "," [
          "nodev"
          "mode=755"
          "size=${config.security.wrapperDirSize}"
        ];
        unitConfig.DefaultDependencies = false;
      }
    ];
    systemd.services.suid-sgid-wrappers = {
      description = "Create SUID/SGID Wrappers";
      wantedBy = [ "sysinit.target" ];
      requiredBy = [ "sysinit-reactivation.target" ];
      before = [
        "sysinit.target"
        "sysinit-reactivation.target"
        "shutdown.target"
      ];
      conflicts = [ "shutdown.target" ];
      after = [ "systemd-sysusers.service" ];
      unitConfig.DefaultDependencies = false;
      unitConfig.RequiresMountsFor = [
        "/nix/store"
        "/run/wrappers"
      ];
      serviceConfig.Type = "oneshot";
      serviceConfig.RemainAfterExit = true;
      script = ''
        chmod 755 /run/wrappers
        folder=$(mktemp -d /run/wrappers/wrappers.XXXXXXXXXX)
        chmod a+rx "$folder"
        ${lib.concatMapStrings install (lib.filter (w: w.enable) (lib.attrValues config.security.wrappers))}
        if [ -L /run/wrappers/bin ]; then
          before=$(readlink -f /run/wrappers/bin)
          ln -sfn "$folder" /run/wrappers/bin.next
          mv -T /run/wrappers/bin.next /run/wrappers/bin
          rm -rf "$before"
        else
          ln -sfn "$folder" /run/wrappers/bin
        fi
      '';
    };
    security.wrappers = lib.genAttrs [ "su" "newgrp" "sg" ] (name: {
      setuid = true;
      owner = "root";
      group = "root";
      source = "${pkgs.shadow}/bin/${name}";
    });
  };
}
