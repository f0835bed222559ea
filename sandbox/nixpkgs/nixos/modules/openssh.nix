{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option;
  inherit (lib) types;
  cfg = config.services.openssh;

  atom = types.nullOr (
    types.oneOf [
      types.bool
      types.int
      types.float
      types.str
    ]
  ) // {
    description = "atom (null, bool, int, float or string)";
    descriptionClass = null;
  };

  commas = [
    "Ciphers"
    "KexAlgorithms"
    "Macs"
  ];
  show =
    name: value:
    if builtins.isBool value then
      lib.boolToYesNo value
    else if builtins.isList value then
      lib.concatStringsSep (if lib.elem name commas then "," else " ") value
    else
      toString value;

  sshdConfig = pkgs.writeText "sshd_config" ''
    ${lib.concatStrings (
      lib.mapAttrsToList (
        name: value: lib.optionalString (value != null) "${name} ${show name value}\n"
      ) cfg.settings
    )}
    ${lib.concatMapStrings (port: "Port ${toString port}\n") cfg.ports}
    AddressFamily ${if config.networking.enableIPv6 then "any" else "inet"}
    ${lib.concatMapStrings (
      l: "ListenAddress ${l.addr}${lib.optionalString (l.port != null) ":${toString l.port}"}\n"
    ) cfg.listenAddresses}
    ${lib.optionalString cfg.allowSFTP "Subsystem sftp ${cfg.sftpServerExecutable} ${toString cfg.sftpFlags}"}
    AuthorizedKeysFile ${toString cfg.authorizedKeysFiles}
    ${lib.concatMapStrings (key: "HostKey ${key.path}\n") cfg.hostKeys}
    ${cfg.extraConfig}
  '';

  withKeys = lib.filterAttrs (
    _: user: user.enable && user.openssh.authorizedKeys.keys ++ user.openssh.authorizedKeys.keyFiles != [ ]
  ) config.users.users;
in
{
  options.services.openssh = {
    enable = option types.bool false;
    package = option types.package pkgs.openssh;
    startWhenNeeded = option types.bool false;
    allowSFTP = option types.bool true;
    sftpFlags = option (types.listOf types.str) [ ];
    sftpServerExecutable = lib.mkOption {
      type = types.str;
      default = "/usr/lib/openssh/sftp-server";
    };
    ports = option (types.listOf types.port) [ 22 ];
    openFirewall = option types.bool true;
    listenAddresses = option (types.listOf (
      types.submodule {
        options.addr = option (types.nullOr types.str) null;
        options.port = option (types.nullOr types.port) null;
      }
    )) [ ];
    hostKeys = option (types.listOf types.attrs) [
      {
        type = "rsa";
        bits = 4096;
        path = "/etc/ssh/ssh_host_rsa_key";
      }
      {
        type = "ed25519";
        path = "/etc/ssh/ssh_host_ed25519_key";
      }
    ];
    authorizedKeysFiles = option (types.listOf types.str) [ ];
    authorizedKeysInHomedir = option types.bool true;
    banner = option (types.nullOr types.lines) null;
    extraConfig = option types.lines "";
    settings = option (types.submodule {
      freeformType = types.attrsOf atom;
      options = {
        AllowUsers = option (types.nullOr (types.listOf types.str)) null;
        AllowGroups = option (types.nullOr (types.listOf types.str)) null;
        DenyUsers = option (types.nullOr (types.listOf types.str)) null;
        DenyGroups = option (types.nullOr (types.listOf types.str)) null;
        AuthorizedPrincipalsFile = option (types.nullOr types.str) "none";
        Ciphers = option (types.nullOr (types.listOf types.str)) [
          "chacha20-poly1305@openssh.com"
          "aes256-gcm@openssh.com"
          "aes128-gcm@openssh.com"
          "aes256-ctr"
          "aes192-ctr"
          "aes128-ctr"
        ];
        KexAlgorithms = option (types.nullOr (types.listOf types.str)) [
          "mlkem768x25519-sha256"
          "sntrup761x25519-sha512"
          "sntrup761x25519-sha512@openssh.com"
          "curve25519-sha256"
          "curve25519-sha256@libssh.org"
          "diffie-hellman-group-exchange-sha256"
        ];
        Macs = option (types.nullOr (types.listOf types.str)) [
          "hmac-sha2-512-etm@openssh.com"
          "hmac-sha2-256-etm@openssh.com"
          "umac-128-etm@openssh.com"
        ];
        GatewayPorts = option (types.nullOr types.str) "no";
        KbdInteractiveAuthentication = option (types.nullOr types.bool) true;
        PasswordAuthentication = option (types.nullOr types.bool) true;
        PermitRootLogin = option (types.nullOr (
          types.enum [
            "yes"
            "without-password"
            "prohibit-password"
            "forced-commands-only"
            "no"
          ]
        )) "prohibit-password";
        LogLevel = option (types.nullOr (
          types.enum [
            "QUIET"
            "FATAL"
            "ERROR"
            "INFO"
            "VERBOSE"
            "DEBUG"
            "DEBUG1"
            "DEBUG2"
            "DEBUG3"
          ]
        )) "INFO";
        PrintMotd = option (types.nullOr types.bool) false;
        StrictModes = option (types.nullOr types.bool) true;
        UseDns = option (types.nullOr types.bool) false;
        UsePAM = option (types.nullOr types.bool) true;
        X11Forwarding = option (types.nullOr types.bool) false;
      };
    }) { };
  };

  config = lib.mkIf cfg.enable {
    services.openssh.authorizedKeysFiles =
      lib.optional cfg.authorizedKeysInHomedir "%h/.ssh/authorized_keys"
      ++ [ "/etc/ssh/authorized_keys.d/%u" ];
    services.openssh.settings.Banner = lib.mkIf (cfg.banner != null) "${pkgs.writeText "banner" cfg.banner}";

    assertions = [
      {
        assertion = !cfg.startWhenNeeded;
        message = "The sandbox's miniature NixOS has no socket-activated sshd.";
      }
    ];

    # A setting that sshd does not know fails the build, not the host.
    system.checks = [
      (pkgs.runCommand "check-sshd-config" { } "${cfg.package}/bin/sshd -G -f ${sshdConfig} >$out")
    ];

    users.users.sshd = {
      isSystemUser = true;
      group = "sshd";
      description = "SSH privilege separation user";
    };
    users.groups.sshd = { };

    environment.etc = {
      "ssh/sshd_config".source = sshdConfig;
    }
    // lib.mapAttrs' (
      name: user:
      lib.nameValuePair "ssh/authorized_keys.d/${name}" {
        mode = "0444";
        text = lib.concatLines (
          user.openssh.authorizedKeys.keys ++ map builtins.readFile user.openssh.authorizedKeys.keyFiles
        );
      }
    ) withKeys;

    systemd.services.sshd-keygen = {
      description = "SSH Host Keys Generation";
      wantedBy = [ "multi-user.target" ];
      unitConfig.ConditionFileNotEmpty = map (key: "|!${key.path}") cfg.hostKeys;
      serviceConfig.Type = "oneshot";
      path = [ cfg.package ];
      script = lib.concatMapStrings (key: ''
        if ! [ -s ${lib.escapeShellArg key.path} ]; then
          mkdir -p "$(dirname ${lib.escapeShellArg key.path})"
          ssh-keygen -t ${key.type} ${
            lib.optionalString (key ? bits) "-b ${toString key.bits}"
          } -f ${lib.escapeShellArg key.path} -N ""
        fi
      '') cfg.hostKeys;
    };

    systemd.services.sshd = {
      description = "SSH Daemon";
      wantedBy = [ "multi-user.target" ];
      after = [
        "network.target"
        "sshd-keygen.service"
      ];
      wants = [ "sshd-keygen.service" ];
      stopIfChanged = false;
      path = [ cfg.package ];
      restartTriggers = [ sshdConfig ];
      serviceConfig = {
        Type = "notify-reload";
        Restart = "always";
        ExecStart = "${cfg.package}/bin/sshd -D -f /etc/ssh/sshd_config";
        KillMode = "process";
        # Debian's sshd separates privileges here, NixOS's in /var/empty.
        RuntimeDirectory = "sshd";
        RuntimeDirectoryPreserve = true;
      };
    };
    networking.firewall.allowedTCPPorts = lib.optionals cfg.openFirewall cfg.ports;
  };
}
