{
  config,
  lib,
  pkgs,
  utils,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option;
  inherit (lib) types;
  cfg = config.users;

  entry = types.strWhere "string, not containing newlines or colons" (
    x: builtins.match "[^:\n]*" x != null
  );
  entryPath = types.strWhere "absolute path, not containing newlines or colons" (
    x: builtins.match "/[^:\n]*" x != null
  );

  user = { config, name, ... }: {
    options = {
      enable = option types.bool true;
      name = option entry name;
      description = option entry "";
      uid = option (types.nullOr types.int) null;
      isSystemUser = option types.bool false;
      isNormalUser = option types.bool false;
      group = option types.str "";
      extraGroups = option (types.listOf types.str) [ ];
      home = option entryPath "/var/empty";
      homeMode = option (types.strMatching "[0-7]{1,5}") "700";
      createHome = option types.bool false;
      useDefaultShell = option types.bool false;
      shell = option (types.nullOr (
        types.either types.package (entryPath // { descriptionClass = null; })
      )) pkgs.shadow;
      hashedPassword = option (types.nullOr (entry // { descriptionClass = null; })) null;
      hashedPasswordFile = option (types.nullOr types.str) null;
      initialHashedPassword = option (types.nullOr (entry // { descriptionClass = null; })) null;
      password = option (types.nullOr types.str) null;
      initialPassword = option (types.nullOr types.str) null;
      packages = option (types.listOf types.package) [ ];
      linger = option (types.nullOr types.bool) null;
      openssh.authorizedKeys.keys = option (types.listOf types.singleLineStr) [ ];
      openssh.authorizedKeys.keyFiles = option (types.listOf types.path) [ ];
    };
    config = lib.mkMerge [
      {
        shell = lib.mkIf config.useDefaultShell (lib.mkDefault cfg.defaultUserShell);
      }
      (lib.mkIf config.isNormalUser {
        group = lib.mkDefault "users";
        createHome = lib.mkDefault true;
        home = lib.mkDefault "${cfg.defaultUserHome}/${config.name}";
        useDefaultShell = lib.mkDefault true;
      })
    ];
  };

  group = { name, ... }: {
    options = {
      name = option entry name;
      gid = option (types.nullOr types.int) null;
      members = option (types.listOf (entry // { descriptionClass = null; })) [ ];
    };
  };

  shell =
    u:
    if u.shell == pkgs.shadow then
      "/run/current-system/sw/bin/nologin"
    else if lib.isDerivation u.shell then
      "/run/current-system/sw/bin/${u.shell.meta.mainProgram or "sh"}"
    else
      toString u.shell;

  enabled = lib.filter (u: u.enable) (lib.attrValues cfg.users);
  spec = pkgs.writeText "users-groups.json" (
    builtins.toJSON {
      inherit (cfg) mutableUsers;
      users = map (u: {
        inherit (u)
          name
          description
          uid
          group
          home
          homeMode
          createHome
          isSystemUser
          hashedPassword
          hashedPasswordFile
          initialHashedPassword
          ;
        plain = if u.password != null then u.password else u.initialPassword;
        shell = shell u;
      }) enabled;
      groups = map (g: {
        inherit (g) name gid;
        members = lib.unique (
          g.members ++ map (u: u.name) (lib.filter (u: lib.elem g.name u.extraGroups) enabled)
        );
      }) (lib.attrValues cfg.groups);
    }
  );

  # Root, or somebody who can become root, with a way in.
  canLogIn =
    u:
    (u.name == "root" || lib.elem "wheel" u.extraGroups)
    && (
      (u.hashedPassword != null && builtins.match "[!*].*" u.hashedPassword == null)
      || u.password != null
      || u.hashedPasswordFile != null
      || u.openssh.authorizedKeys.keys != [ ]
      || u.openssh.authorizedKeys.keyFiles != [ ]
    );

  system =
    name: uid: extra:
    {
      inherit uid;
      isSystemUser = true;
      group = name;
    }
    // extra;
in
{
  options.users = {
    mutableUsers = option types.bool true;
    allowNoPasswordLogin = option types.bool false;
    enforceIdUniqueness = option types.bool true;
    defaultUserHome = option types.str "/home";
    defaultUserShell = option (types.either types.path types.package) pkgs.bashInteractive;
    users = option (types.attrsOf (types.submodule user)) { };
    groups = option (types.attrsOf (types.submodule group)) { };
  };

  config = {
    users.users = {
      root = {
        uid = 0;
        description = "System administrator";
        home = "/root";
        shell = lib.mkDefault cfg.defaultUserShell;
        group = "root";
      };
      nobody = {
        uid = 65534;
        isSystemUser = true;
        description = "Unprivileged account (don't use!)";
        group = "nogroup";
      };
      messagebus = system "messagebus" 4 { description = "D-Bus system message bus daemon user"; };
      systemd-network = system "systemd-network" 152 { };
      systemd-resolve = system "systemd-resolve" 153 { };
      systemd-timesync = system "systemd-timesync" 154 { };
      systemd-oom = system "systemd-oom" null { };
      systemd-coredump = system "systemd-coredump" null { };
    };
    users.groups = lib.mapAttrs (_: gid: { inherit gid; }) {
      root = 0;
      wheel = 1;
      kmem = 2;
      tty = 3;
      messagebus = 4;
      disk = 6;
      audio = 17;
      floppy = 18;
      uucp = 19;
      lp = 20;
      cdrom = 24;
      tape = 25;
      video = 26;
      dialout = 27;
      utmp = 29;
      adm = 55;
      systemd-journal = 62;
      keys = 96;
      users = 100;
      systemd-network = 152;
      systemd-resolve = 153;
      systemd-timesync = 154;
      input = 174;
      kvm = 302;
      render = 303;
      sgx = 304;
      clock = null;
      shadow = 318;
      systemd-oom = null;
      systemd-coredump = null;
      nogroup = 65534;
    };

    assertions = [
      {
        assertion = cfg.mutableUsers || cfg.allowNoPasswordLogin || lib.any canLogIn enabled;
        message = ''
          Neither the root account nor any wheel user has a password or SSH authorized key.
          You must set one to prevent being locked out of your system, or say that you want
          that by users.allowNoPasswordLogin = true.'';
      }
      {
        assertion =
          let
            ids = lib.filter (id: id != null) (map (u: u.uid) enabled);
          in
          !cfg.enforceIdUniqueness || lib.allUnique ids;
        message = "UIDs and GIDs must be unique!";
      }
    ]
    ++ lib.concatMap (
      u:
      let
        system' = u.isSystemUser || (u.uid != null && u.uid < 1000);
      in
      [
        {
          assertion = system' != u.isNormalUser || u.name == "nobody";
          message = "Exactly one of users.users.${u.name}.isSystemUser and users.users.${u.name}.isNormalUser must be set.";
        }
        {
          assertion = u.group != "";
          message = "users.users.${u.name}.group is unset.";
        }
        {
          assertion = u.group == "" || cfg.groups ? ${u.group};
          message = "users.users.${u.name}.group is `${u.group}', which is no group of users.groups.";
        }
      ]
    ) enabled;

    environment.systemPackages = lib.concatMap (u: u.packages) enabled;
    system.activationScripts.users = {
      deps = [ "var" ];
      text = "${pkgs.python3}/bin/python3 ${../activation/update_users.py} ${spec}";
    };
    environment.etc."subuid".text = "";
    environment.etc."subgid".text = "";
    environment.etc."default/useradd".text = "GROUP=100\nHOME=/home\nSHELL=/run/current-system/sw/bin/bash\n";
  };
}
