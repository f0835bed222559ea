{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option required;
  inherit (lib) types;
  cfg = config.services.nginx;
  certs = config.security.acme.certs;

  virtualHosts = lib.mapAttrs (
    name: v:
    let
      serverName = if v.serverName != null then v.serverName else name;
      certName = if v.useACMEHost != null then v.useACMEHost else serverName;
    in
    v
    // {
      inherit serverName certName;
    }
    // lib.optionalAttrs (v.enableACME || v.useACMEHost != null) {
      sslCertificate = "${certs.${certName}.directory}/fullchain.pem";
      sslCertificateKey = "${certs.${certName}.directory}/key.pem";
      sslTrustedCertificate =
        if v.sslTrustedCertificate != null then
          v.sslTrustedCertificate
        else
          "${certs.${certName}.directory}/chain.pem";
    }
  ) cfg.virtualHosts;

  acmeHosts = lib.filter (v: v.enableACME || v.useACMEHost != null) (lib.attrValues virtualHosts);
  certNames = lib.unique (map (v: v.certName) acmeHosts);
  configFile = import ./nginx/config.nix {
    inherit
      config
      lib
      pkgs
      virtualHosts
      ;
  };
  configPath = if cfg.enableReload then "/etc/nginx/nginx.conf" else configFile;
  command = "${cfg.package}/bin/nginx -c '${configPath}'";
  positive = types.nullOr types.ints.positive;
in
{
  options.services.nginx = {
    enable = option types.bool false;
    package = option types.package pkgs.nginxStable;
    enableReload = option types.bool false;
    validateConfigFile = option types.bool true;
    user = option types.str "nginx";
    group = option types.str "nginx";
    logError = option types.str "stderr";
    preStart = option types.lines "";
    statusPage = option types.bool false;

    recommendedGzipSettings = option types.bool false;
    recommendedOptimisation = option types.bool false;
    recommendedProxySettings = option types.bool false;
    recommendedTlsSettings = option types.bool false;
    proxyTimeout = option types.str "60s";

    config = option types.str "";
    prependConfig = option types.lines "";
    appendConfig = option types.lines "";
    commonHttpConfig = option types.lines "";
    appendHttpConfig = option types.lines "";
    httpConfig = option types.lines "";
    streamConfig = option types.lines "";
    eventsConfig = option types.lines "";

    defaultMimeTypes = option types.path "${../data/mime.types}";
    typesHashMaxSize = option types.ints.positive 2688;
    mapHashBucketSize = option positive null;
    mapHashMaxSize = option positive null;
    serverNamesHashBucketSize = option positive null;
    serverNamesHashMaxSize = option positive null;

    defaultListenAddresses = option (types.listOf types.str) (
      [ "0.0.0.0" ] ++ lib.optional config.networking.enableIPv6 "[::0]"
    );
    defaultHTTPListenPort = option types.port 80;
    defaultSSLListenPort = option types.port 443;
    clientMaxBodySize = option types.str "10m";
    serverTokens = option types.bool false;
    sslCiphers = option (types.nullOr types.str) (
      lib.concatMapStringsSep ":" (cipher: "ECDHE-ECDSA-${cipher}:ECDHE-RSA-${cipher}") [
        "AES128-GCM-SHA256"
        "AES256-GCM-SHA384"
        "CHACHA20-POLY1305"
      ]
    );
    sslProtocols = option types.str "TLSv1.2 TLSv1.3";
    sslDhparam = option (types.nullOr types.path) null;

    upstreams = option (types.attrsOf (
      types.submodule {
        options.servers = option (types.attrsOf (
          types.submodule {
            freeformType = types.attrsOf (
              types.oneOf [
                types.bool
                types.int
                types.str
              ]
            );
            options.backup = option types.bool false;
          }
        )) { };
        options.extraConfig = option types.lines "";
      }
    )) { };
    proxyCachePath = option (types.attrsOf (
      types.submodule {
        options = {
          enable = option types.bool false;
          keysZoneName = option types.str "cache";
          keysZoneSize = option types.str "10m";
          levels = option types.str "1:2";
          useTempPath = option types.bool false;
          inactive = option types.str "10m";
          maxSize = option types.str "1g";
        };
      }
    )) { };
    virtualHosts = option (types.attrsOf (
      types.submodule (import ./nginx/vhost.nix { inherit lib config; })
    )) { localhost = { }; };
  };

  config = lib.mkIf cfg.enable {
    assertions =
      let
        hosts = lib.mapAttrsToList (name: v: v // { inherit name; }) cfg.virtualHosts;
        count = v: lib.count lib.id v;
      in
      [
        {
          assertion = lib.all (v: count [ v.addSSL v.forceSSL v.onlySSL v.rejectSSL ] <= 1) hosts;
          message = ''
            The options addSSL, onlySSL, forceSSL and rejectSSL of one of services.nginx.virtualHosts
            are mutually exclusive.'';
        }
        {
          assertion = lib.all (v: !(v.enableACME && v.useACMEHost != null)) hosts;
          message = ''
            The options enableACME and useACMEHost of one of services.nginx.virtualHosts
            are mutually exclusive.'';
        }
        {
          assertion = lib.all (
            v: lib.all (l: count [ (l.root != null) (l.alias != null) ] <= 1) (lib.attrValues v.locations)
          ) hosts;
          message = "Only one of nginx root or alias can be specified on a location.";
        }
        {
          assertion = lib.count (v: v.default) hosts <= 1;
          message = "Only one of services.nginx.virtualHosts may be the default.";
        }
      ];

    systemd.services.nginx = {
      description = "Nginx Web Server";
      wantedBy = [ "multi-user.target" ];
      wants = map (name: "acme-${name}.service") certNames;
      after = [ "network.target" ] ++ map (name: "acme-${name}.service") certNames;
      # The order of a certificate is answered through nginx.
      before = map (name: "acme-order-renew-${name}.service") (
        lib.filter (name: certs.${name}.dnsProvider == null) certNames
      );
      stopIfChanged = false;
      preStart = ''
        ${cfg.preStart}
        ${command} -t
      '';
      startLimitIntervalSec = 60;
      serviceConfig = {
        ExecStart = command;
        ExecReload = [
          "${command} -t"
          "${pkgs.coreutils}/bin/kill -HUP $MAINPID"
        ];
        Restart = "always";
        RestartSec = "10s";
        User = cfg.user;
        Group = cfg.group;
        RuntimeDirectory = "nginx";
        RuntimeDirectoryMode = "0750";
        CacheDirectory = "nginx";
        CacheDirectoryMode = "0750";
        LogsDirectory = "nginx";
        LogsDirectoryMode = "0750";
        # Debian's nginx keeps there what NixOS's keeps in its cache.
        StateDirectory = "nginx";
        StateDirectoryMode = "0750";
        ProcSubset = "pid";
        ProtectProc = "invisible";
        UMask = "0027";
        AmbientCapabilities = [
          "CAP_NET_BIND_SERVICE"
          "CAP_SYS_RESOURCE"
        ];
        CapabilityBoundingSet = [
          "CAP_NET_BIND_SERVICE"
          "CAP_SYS_RESOURCE"
        ];
        NoNewPrivileges = true;
        ProtectSystem = "strict";
        ProtectHome = lib.mkDefault true;
        PrivateTmp = true;
        PrivateDevices = true;
        ProtectHostname = true;
        ProtectClock = true;
        ProtectKernelTunables = true;
        ProtectKernelModules = true;
        ProtectKernelLogs = true;
        ProtectControlGroups = true;
        RestrictAddressFamilies = [
          "AF_UNIX"
          "AF_INET"
          "AF_INET6"
        ];
        RestrictNamespaces = true;
        LockPersonality = true;
        MemoryDenyWriteExecute = true;
        RestrictRealtime = true;
        RestrictSUIDSGID = true;
        RemoveIPC = true;
        PrivateMounts = true;
        SystemCallArchitectures = "native";
        SystemCallFilter = [
          "~@cpu-emulation @debug @keyring @mount @obsolete @privileged @setuid"
          "~@ipc"
        ];
      };
    };

    environment.etc."nginx/nginx.conf" = lib.mkIf cfg.enableReload { source = configFile; };
    system.build.nginxConfig = configFile;

    # A new certificate, or with enableReload a new configuration, is taken without a restart.
    systemd.services.nginx-config-reload = lib.mkIf (cfg.enableReload || certNames != [ ]) {
      wantedBy =
        map (name: "acme-order-renew-${name}.service") certNames
        ++ lib.optional cfg.enableReload "multi-user.target";
      after = map (name: "acme-order-renew-${name}.service") certNames;
      restartTriggers = lib.optional cfg.enableReload configFile;
      unitConfig.ConditionPathExists = map (name: "${certs.${name}.directory}/fullchain.pem") certNames;
      serviceConfig = {
        Type = "oneshot";
        TimeoutSec = 60;
        ExecCondition = "${pkgs.systemd}/bin/systemctl -q is-active nginx.service";
        ExecStart = "${pkgs.systemd}/bin/systemctl reload nginx.service";
      };
    };

    security.acme.certs = lib.listToAttrs (
      map (
        v:
        lib.nameValuePair v.certName {
          group = lib.mkDefault cfg.group;
          webroot = lib.mkIf (v.acmeRoot != null) (lib.mkDefault v.acmeRoot);
          extraDomainNames = v.serverAliases;
        }
      ) (lib.filter (v: v.enableACME) (lib.attrValues virtualHosts))
    );

    users.users = lib.mkIf (cfg.user == "nginx") {
      nginx = {
        inherit (cfg) group;
        isSystemUser = true;
        uid = 60;
      };
    };
    users.groups = lib.mkIf (cfg.group == "nginx") { nginx.gid = 60; };
  };
}
