# nginx.conf, in the order of NixOS's: later settings of one level win, and what a location sets of a kind
# (proxy_set_header, add_header) takes the place of all that the levels above set of it.
{
  config,
  lib,
  pkgs,
  virtualHosts,
}:
let
  cfg = config.services.nginx;
  inherit (lib) optionalString concatMapStrings;

  compressed = [
    "application/atom+xml"
    "application/geo+json"
    "application/javascript"
    "application/json"
    "application/ld+json"
    "application/manifest+json"
    "application/rdf+xml"
    "application/vnd.ms-fontobject"
    "application/wasm"
    "application/x-rss+xml"
    "application/x-web-app-manifest+json"
    "application/xhtml+xml"
    "application/xliff+xml"
    "application/xml"
    "font/collection"
    "font/otf"
    "font/ttf"
    "image/bmp"
    "image/svg+xml"
    "image/vnd.microsoft.icon"
    "text/cache-manifest"
    "text/calendar"
    "text/css"
    "text/csv"
    "text/javascript"
    "text/markdown"
    "text/plain"
    "text/vcard"
    "text/vnd.rim.location.xloc"
    "text/vtt"
    "text/x-component"
    "text/xml"
  ];

  proxyHeaders = pkgs.writeText "nginx-recommended-proxy_set_header-headers.conf" ''
    proxy_set_header Host $host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $host;
    proxy_set_header X-Forwarded-Server $hostname;
  '';

  basicAuth =
    name: zone:
    optionalString (zone.basicAuthFile != null || zone.basicAuth != { }) ''
      auth_basic secured;
      auth_basic_user_file ${
        if zone.basicAuthFile != null then
          zone.basicAuthFile
        else
          pkgs.writeText "${name}.htpasswd" (
            lib.concatStrings (lib.mapAttrsToList (user: password: "${user}:{PLAIN}${password}\n") zone.basicAuth)
          )
      };
    '';

  location = l: ''
    location ${l.path} {
      ${optionalString (l.proxyPass != null) "proxy_pass ${l.proxyPass};"}
      ${optionalString l.proxyWebsockets ''
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
      ''}
      ${optionalString (l.index != null) "index ${l.index};"}
      ${optionalString (l.tryFiles != null) "try_files ${l.tryFiles};"}
      ${optionalString (l.root != null) "root ${l.root};"}
      ${optionalString (l.alias != null) "alias ${l.alias};"}
      ${optionalString (l.return != null) "return ${toString l.return};"}
      ${l.extraConfig}
      ${optionalString (l.proxyPass != null && l.recommendedProxySettings) "include ${proxyHeaders};"}
      ${basicAuth "sublocation" l}
    }
  '';
  locations =
    all:
    concatMapStrings location (
      lib.sort (a: b: a.priority < b.priority) (lib.mapAttrsToList (path: l: l // { inherit path; }) all)
    );

  server =
    _: v:
    let
      hasSSL = v.onlySSL || v.addSSL || v.forceSSL;
      addresses = if v.listenAddresses != [ ] then v.listenAddresses else cfg.defaultListenAddresses;
      on =
        port: ssl:
        map (addr: {
          inherit addr port ssl;
          proxyProtocol = false;
          extraParameters = [ ];
        }) addresses;
      listens =
        if v.listen != [ ] then
          v.listen
        else
          lib.optionals (hasSSL || v.rejectSSL) (on cfg.defaultSSLListenPort true)
          ++ lib.optionals (!v.onlySSL) (on cfg.defaultHTTPListenPort false);
      line =
        l:
        let
          words =
            lib.optional l.ssl "ssl"
            ++ lib.optional v.default "default_server"
            ++ lib.optional v.reuseport "reuseport"
            ++ lib.optional l.proxyProtocol "proxy_protocol"
            ++ l.extraParameters;
          # For packets, what is about connections means nothing.
          packetWords =
            [ "quic" ]
            ++ lib.optional v.default "default_server"
            ++ lib.optional v.reuseport "reuseport";
          listen =
            words:
            "listen ${l.addr}${optionalString (l.port != null) ":${toString l.port}"}${
              concatMapStrings (word: " ${word}") words
            };\n";
        in
        optionalString (l.ssl && v.quic) (listen packetWords) + listen words;
      names = lib.concatStringsSep " " ([ v.serverName ] ++ v.serverAliases);
      challenge =
        optionalString
          ((v.enableACME || v.useACMEHost != null) && config.security.acme.certs.${v.certName}.dnsProvider == null)
          ''
            location ^~ /.well-known/acme-challenge/ {
              ${optionalString (v.acmeFallbackHost != null) "try_files $uri @acme-fallback;"}
              ${optionalString (v.acmeRoot != null) "root ${v.acmeRoot};"}
              auth_basic off;
              auth_request off;
            }
            ${optionalString (v.acmeFallbackHost != null) ''
              location @acme-fallback {
                auth_basic off;
                auth_request off;
                proxy_pass http://${v.acmeFallbackHost};
              }
            ''}
          '';
    in
    ''
      ${optionalString v.forceSSL ''
        server {
          ${concatMapStrings line (lib.filter (l: !l.ssl) listens)}
          server_name ${names};

          location / {
            return ${toString v.redirectCode} https://$host$request_uri;
          }
          ${challenge}
        }
      ''}
      server {
        ${concatMapStrings line (if v.forceSSL then lib.filter (l: l.ssl) listens else listens)}
        server_name ${names};
        ${optionalString (hasSSL && v.http2) "http2 on;"}
        ${optionalString (hasSSL && v.quic) ''
          http3 ${if v.http3 then "on" else "off"};
          http3_hq ${if v.http3_hq then "on" else "off"};
        ''}
        ${optionalString hasSSL ''
          ssl_certificate ${v.sslCertificate};
          ssl_certificate_key ${v.sslCertificateKey};
        ''}
        ${optionalString (
          hasSSL && v.sslTrustedCertificate != null
        ) "ssl_trusted_certificate ${v.sslTrustedCertificate};"}
        ${optionalString v.rejectSSL "ssl_reject_handshake on;"}
        ${optionalString (hasSSL && v.kTLS) "ssl_conf_command Options KTLS;"}
        ${basicAuth v.serverName v}
        ${optionalString (v.root != null) "root ${v.root};"}
        ${optionalString (v.globalRedirect != null) ''
          location / {
            return ${toString v.redirectCode} http${optionalString hasSSL "s"}://${v.globalRedirect}$request_uri;
          }
        ''}
        ${challenge}
        ${locations v.locations}
        ${v.extraConfig}
      }
    '';

  text = ''
    pid /run/nginx/nginx.pid;
    error_log ${cfg.logError};
    daemon off;
    ${cfg.prependConfig}
    ${cfg.config}
    ${optionalString (cfg.eventsConfig != "" || cfg.config == "") ''
      events {
        ${cfg.eventsConfig}
      }
    ''}
    ${optionalString (cfg.config == "" && cfg.httpConfig == "") ''
      http {
        include ${cfg.defaultMimeTypes};
        types_hash_max_size ${toString cfg.typesHashMaxSize};
        default_type application/octet-stream;

        ${upstreams}

        ${optionalString cfg.recommendedOptimisation ''
          sendfile on;
          tcp_nopush on;
          tcp_nodelay on;
          keepalive_timeout 65;
        ''}
        ssl_protocols ${cfg.sslProtocols};
        ${optionalString (cfg.sslCiphers != null) "ssl_ciphers ${cfg.sslCiphers};"}
        ${optionalString (cfg.sslDhparam != null) "ssl_dhparam ${cfg.sslDhparam};"}
        ${optionalString cfg.recommendedTlsSettings ''
          ssl_conf_command Groups "X25519MLKEM768:X25519:P-256:P-384";
          ssl_session_timeout 1d;
          ssl_session_cache shared:SSL:10m;
          ssl_session_tickets off;
          ssl_prefer_server_ciphers off;
        ''}
        ${optionalString cfg.recommendedGzipSettings ''
          gzip on;
          gzip_static on;
          gzip_vary on;
          gzip_comp_level 5;
          gzip_min_length 256;
          gzip_proxied expired no-cache no-store private auth;
          gzip_types ${lib.concatStringsSep " " compressed};
        ''}
        ${optionalString cfg.recommendedProxySettings ''
          proxy_redirect off;
          proxy_connect_timeout ${cfg.proxyTimeout};
          proxy_send_timeout ${cfg.proxyTimeout};
          proxy_read_timeout ${cfg.proxyTimeout};
          proxy_http_version 1.1;
          proxy_set_header "Connection" "";
          include ${proxyHeaders};
        ''}
        ${optionalString (
          cfg.mapHashBucketSize != null
        ) "map_hash_bucket_size ${toString cfg.mapHashBucketSize};"}
        ${optionalString (cfg.mapHashMaxSize != null) "map_hash_max_size ${toString cfg.mapHashMaxSize};"}
        ${optionalString (
          cfg.serverNamesHashBucketSize != null
        ) "server_names_hash_bucket_size ${toString cfg.serverNamesHashBucketSize};"}
        ${optionalString (
          cfg.serverNamesHashMaxSize != null
        ) "server_names_hash_max_size ${toString cfg.serverNamesHashMaxSize};"}

        map $http_upgrade $connection_upgrade {
          default upgrade;
          '''      close;
        }
        client_max_body_size ${cfg.clientMaxBodySize};
        server_tokens ${if cfg.serverTokens then "on" else "off"};

        ${cfg.commonHttpConfig}
        ${caches}
        ${lib.concatStrings (lib.mapAttrsToList server virtualHosts)}
        ${status}
        ${cfg.appendHttpConfig}
      }
    ''}
    ${optionalString (cfg.httpConfig != "") ''
      http {
        include ${cfg.defaultMimeTypes};
        default_type application/octet-stream;
        ${cfg.httpConfig}
      }
    ''}
    ${optionalString (cfg.streamConfig != "") ''
      stream {
        ${cfg.streamConfig}
      }
    ''}
    ${cfg.appendConfig}
  '';

  upstreams = lib.concatStrings (
    lib.mapAttrsToList (name: upstream: ''
      upstream ${name} {
        ${lib.concatStrings (
          lib.mapAttrsToList (
            address: parameters:
            "server ${address}${
              lib.concatStrings (
                lib.mapAttrsToList (
                  key: value:
                  if builtins.isBool value then optionalString value " ${key}" else " ${key}=${toString value}"
                ) parameters
              )
            };\n"
          ) upstream.servers
        )}
        ${upstream.extraConfig}
      }
    '') cfg.upstreams
  );

  caches = lib.concatStrings (
    lib.mapAttrsToList (
      name: cache:
      optionalString cache.enable "proxy_cache_path /var/cache/nginx/${name} keys_zone=${cache.keysZoneName}:${cache.keysZoneSize} levels=${cache.levels} use_temp_path=${
        if cache.useTempPath then "on" else "off"
      } inactive=${cache.inactive} max_size=${cache.maxSize};\n"
    ) cfg.proxyCachePath
  );

  status = optionalString cfg.statusPage ''
    server {
      listen 127.0.0.1:80;
      listen [::1]:80;
      server_name localhost;
      location /nginx_status {
        stub_status on;
        access_log off;
        allow 127.0.0.1;
        allow ::1;
        deny all;
      }
    }
  '';

  # Indented by its braces, without empty lines, for people to read.
  tidy =
    string:
    let
      lines = lib.filter (line: line != "") (map lib.trim (lib.splitString "\n" string));
      add =
        done: line:
        let
          depth = done.depth - (if lib.hasPrefix "}" line then 1 else 0);
        in
        {
          depth = depth + (if lib.hasSuffix "{" line then 1 else 0);
          text = done.text + lib.concatStrings (lib.genList (_: "  ") depth) + line + "\n";
        };
    in
    (lib.foldl' add {
      depth = 0;
      text = "";
    } lines).text;
in
(if cfg.validateConfigFile then pkgs.writers.writeNginxConfig else pkgs.writeText) "nginx.conf" (
  tidy text
)
