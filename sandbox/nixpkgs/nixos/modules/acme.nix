# Certificates, as NixOS orders them since 25.11: acme-setup makes the folders, acme-NAME a self-signed
# certificate where there is none, and acme-order-renew-NAME the real one, again each day by its timer.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option;
  inherit (lib) types;
  cfg = config.security.acme;
  user = if cfg.useRoot then "root" else "acme";

  # What a certificate takes from `defaults` unless it says otherwise.
  inheritable = d: {
    validMinDays = option types.int (d.validMinDays or 30);
    renewInterval = option types.str (d.renewInterval or "daily");
    enableDebugLogs = option types.bool (d.enableDebugLogs or true);
    webroot = option (types.nullOr types.str) (d.webroot or null);
    server = option (types.nullOr types.str) (d.server or "https://acme-v02.api.letsencrypt.org/directory");
    email = option (types.nullOr types.str) (d.email or null);
    group = option types.str (d.group or "acme");
    reloadServices = option (types.listOf types.str) (d.reloadServices or [ ]);
    postRun = option types.lines (d.postRun or "");
    keyType = option types.str (d.keyType or "ec256");
    profile = option (types.nullOr types.str) (d.profile or null);
    dnsProvider = option (types.nullOr types.str) (d.dnsProvider or null);
    environmentFile = option (types.nullOr types.path) (d.environmentFile or null);
    ocspMustStaple = option types.bool (d.ocspMustStaple or false);
    listenHTTP = option (types.nullOr types.str) (d.listenHTTP or null);
    extraLegoFlags = option (types.listOf types.str) (d.extraLegoFlags or [ ]);
    extraLegoRunFlags = option (types.listOf types.str) (d.extraLegoRunFlags or [ ]);
    extraLegoRenewFlags = option (types.listOf types.str) (d.extraLegoRenewFlags or [ ]);
  };

  certificate = { name, ... }: {
    options = inheritable cfg.defaults // {
      domain = option types.str name;
      directory = option types.str "/var/lib/acme/${name}";
      extraDomainNames = option (types.listOf types.str) [ ];
    };
  };

  hardened = {
    Type = "oneshot";
    User = user;
    UMask = "0022";
    ProtectSystem = "strict";
    ReadWritePaths = [ "/var/lib/acme" ];
    PrivateTmp = true;
    NoNewPrivileges = true;
    PrivateDevices = true;
    ProtectHome = true;
    ProtectControlGroups = true;
    ProtectKernelModules = true;
    ProtectKernelTunables = true;
    RestrictAddressFamilies = [
      "AF_INET"
      "AF_INET6"
      "AF_UNIX"
      "AF_NETLINK"
    ];
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    LockPersonality = true;
  };

  units =
    name: c:
    let
      quoted = lib.escapeShellArg;
      state = "/var/lib/acme/.lego/${name}/${certHash}";
      # A change of these makes a new order.
      certHash = builtins.substring 0 20 (
        builtins.hashString "sha256" (
          toString ([ c.server c.keyType c.dnsProvider ] ++ c.extraLegoFlags ++ c.extraLegoRunFlags)
        )
      );
      domains = [ c.domain ] ++ c.extraDomainNames;
      domainHash = builtins.hashString "sha256" (toString domains);
      protocol =
        if c.dnsProvider != null then
          [ "--dns" c.dnsProvider ]
        else if c.listenHTTP != null then
          [ "--http" "--http.port" c.listenHTTP ]
        else
          [ "--http" "--http.webroot" c.webroot ];
      common =
        [
          "--accept-tos"
          "--path"
          state
          "--email"
          c.email
          "--key-type"
          c.keyType
          "--server"
          c.server
        ]
        ++ protocol
        ++ lib.concatMap (domain: [ "-d" domain ]) domains
        ++ c.extraLegoFlags;
      stapled = lib.optional c.ocspMustStaple "--must-staple";
      run = lib.escapeShellArgs (common ++ [ "run" ] ++ stapled ++ c.extraLegoRunFlags);
      renew = lib.escapeShellArgs (
        common
        ++ [
          "renew"
          "--no-random-sleep"
          "--days"
          c.validMinDays
        ]
        ++ stapled
        ++ c.extraLegoRenewFlags
      );
      file = lib.replaceStrings [ "*" ] [ "_" ] c.domain;
    in
    {
      services."acme-${name}" = {
        description = "Ensure certificate for ${name}";
        wantedBy = [ "multi-user.target" ];
        # It brings the order along, and nobody waits for that one.
        wants = [
          "acme-setup.service"
          "acme-order-renew-${name}.service"
        ];
        after = [ "acme-setup.service" ];
        before = [ "acme-order-renew-${name}.service" ];
        restartTriggers = [
          (pkgs.writeText "order" config.systemd.services."acme-order-renew-${name}".script)
        ];
        path = [ pkgs.openssl ];
        unitConfig.StartLimitIntervalSec = 0;
        serviceConfig = hardened // {
          Group = c.group;
          UMask = "0027";
          RemainAfterExit = true;
          WorkingDirectory = "/tmp";
        };
        # NixOS signs it by minica.
        script = ''
          set -euo pipefail
          out=${quoted c.directory}
          if [ -e "$out/acme-success" ] || [ -e "$out/fullchain.pem" ]; then
            exit 0
          fi
          openssl req -config /dev/null -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 90 \
            -subj ${quoted "/CN=${c.domain}"} -keyout key.pem -out cert.pem \
            -addext ${
              quoted "subjectAltName=${lib.concatMapStringsSep "," (domain: "DNS:${domain}") domains}"
            } 2>/dev/null
          cp cert.pem chain.pem
          cp cert.pem fullchain.pem
          cat key.pem fullchain.pem >full.pem
          chmod 640 -- *.pem
          mv -- *.pem "$out/"
        '';
      };

      services."acme-order-renew-${name}" = {
        description = "Order (and renew) ACME certificate for ${name}";
        wants = [
          "network-online.target"
          "acme-setup.service"
          "acme-${name}.service"
        ];
        after = [
          "network.target"
          "network-online.target"
          "nss-lookup.target"
          "acme-setup.service"
          "acme-${name}.service"
        ];
        path = [
          pkgs.lego
          pkgs.openssl
          pkgs.diffutils
        ];
        serviceConfig = hardened // {
          Group = c.group;
          # NixOS waits for 15 minutes, out of respect for Let's Encrypt. Pebble's own resolver gives up after 2 s.
          RestartSec = 5;
          WorkingDirectory = "/tmp";
          EnvironmentFile = lib.mkIf (c.environmentFile != null) c.environmentFile;
          ReadWritePaths = [ "/var/lib/acme" ] ++ lib.optional (c.webroot != null) "-${c.webroot}";
          ExecStartPost = "+${pkgs.writeShellScript "acme-postrun" ''
            cd ${quoted c.directory}
            if [ -e renewed ]; then
              rm renewed
              ${c.postRun}
              ${lib.optionalString (
                c.reloadServices != [ ]
              ) "${pkgs.systemd}/bin/systemctl --no-block try-reload-or-restart ${lib.escapeShellArgs c.reloadServices}"}
            fi
          ''}";
        };
        script = ''
          ${lib.optionalString c.enableDebugLogs "set -x"}
          set -euo pipefail
          state=${quoted state}
          out=${quoted c.directory}
          ${lib.optionalString (c.webroot != null) ''
            challenge=${quoted c.webroot}/.well-known/acme-challenge
            mkdir -p "$challenge" && chgrp ${quoted c.group} "$challenge"
          ''}
          mkdir -p "$state/accounts" "$state/certificates"
          echo ${domainHash} >domainhash.txt
          certificates=$state/certificates

          if cmp -s domainhash.txt "$state/domainhash.txt" &&
            [ -e "$certificates/${file}.key" ] && [ -e "$certificates/${file}.crt" ]; then
            if ! lego ${renew}; then
              if openssl x509 -noout -checkend ${toString (c.validMinDays * 86400)} <"$out/cert.pem"; then
                echo 1>&2 "the renewal failed; the certificate is good for more than ${toString c.validMinDays} days"
              else
                # Not one of systemd's own codes.
                exit 11
              fi
            fi
          else
            lego ${run} || exit 10
          fi
          mv domainhash.txt "$state/"

          # Only what is new is put in place, and told of.
          if ! cmp -s "$certificates/${file}.crt" "$out/fullchain.pem"; then
            touch "$out/renewed"
            cp "$certificates/${file}.crt" "$out/fullchain.pem"
            cp "$certificates/${file}.key" "$out/key.pem"
            cp "$certificates/${file}.issuer.crt" "$out/chain.pem"
            openssl x509 <"$out/fullchain.pem" >"$out/cert.pem"
            cat "$out/key.pem" "$out/fullchain.pem" >"$out/full.pem"
            chgrp ${quoted c.group} "$out"/*.pem
            chmod 640 "$out"/*.pem
          fi
          touch "$out/acme-success"
        '';
      };

      timers."acme-order-renew-${name}" = {
        description = "Renew ACME Certificate for ${name}";
        wantedBy = [ "timers.target" ];
        unitConfig.X-OnlyManualStart = true; # a switch does not start it anew
        timerConfig = {
          OnCalendar = c.renewInterval;
          Unit = "acme-order-renew-${name}.service";
          Persistent = "yes";
          AccuracySec = "${toString (86400 / lib.length (lib.attrNames cfg.certs))}s";
          RandomizedDelaySec = "24h";
          FixedRandomDelay = true;
        };
      };
    };

  all = lib.mapAttrsToList units cfg.certs;
in
{
  options.security.acme = {
    acceptTerms = option types.bool false;
    useRoot = option types.bool false;
    maxConcurrentRenewals = option types.int 5;
    defaults = option (types.submodule { options = inheritable { }; }) { };
    certs = option (types.attrsOf (types.submodule certificate)) { };
  };

  config = lib.mkIf (cfg.certs != { }) {
    assertions = [
      {
        assertion = cfg.acceptTerms;
        message = "You must accept the CA's terms of service, by `security.acme.acceptTerms = true`.";
      }
    ]
    ++ lib.concatLists (
      lib.mapAttrsToList (name: c: [
        {
          assertion = c.email != null;
          message = ''
            You must define `security.acme.certs.${name}.email` or
            `security.acme.defaults.email` to register with the CA.'';
        }
        {
          assertion = lib.count (x: x != null) [ c.dnsProvider c.webroot c.listenHTTP ] == 1;
          message = ''
            Exactly one of the options
            `security.acme.certs.${name}.dnsProvider`,
            `security.acme.certs.${name}.webroot` and
            `security.acme.certs.${name}.listenHTTP` is required.'';
        }
      ]) cfg.certs
    );

    users.users.acme = lib.mkIf (!cfg.useRoot) {
      home = "/var/lib/acme";
      group = "acme";
      isSystemUser = true;
    };
    users.groups.acme = { };

    systemd.services = lib.mkMerge (
      [
        {
          acme-setup = {
            description = "Set up the ACME certificate renewal infrastructure";
            serviceConfig = {
              Type = "oneshot";
              RemainAfterExit = true;
            };
            script = ''
              install -d -m 755 -o ${user} -g acme /var/lib/acme /var/lib/acme/.lego
              ${lib.concatStrings (
                lib.mapAttrsToList (name: c: ''
                  install -d -m 750 -o ${user} -g ${lib.escapeShellArg c.group} ${lib.escapeShellArg c.directory}
                  install -d -m 700 -o ${user} -g acme ${lib.escapeShellArg "/var/lib/acme/.lego/${name}"}
                  chown -R ${user}:${lib.escapeShellArg c.group} ${lib.escapeShellArg c.directory}
                  ${lib.optionalString (
                    c.webroot != null
                  ) "install -d -m 755 -o ${user} -g ${lib.escapeShellArg c.group} ${lib.escapeShellArg c.webroot}"}
                '') cfg.certs
              )}
            '';
          };
        }
      ]
      ++ map (u: u.services) all
    );
    systemd.timers = lib.mkMerge (map (u: u.timers) all);
  };
}
