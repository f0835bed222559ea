{ lib, config }:
let
  inherit (import ../../lib/declare.nix { inherit lib; }) option required;
  inherit (lib) types;
  listen = {
    options = {
      addr = required types.str;
      port = option (types.nullOr types.port) null;
      ssl = option types.bool false;
      proxyProtocol = option types.bool false;
      extraParameters = option (types.listOf types.str) [ ];
    };
  };
in
{
  options = {
    serverName = option (types.nullOr types.str) null;
    serverAliases = option (types.listOf types.str) [ ];
    listen = option (types.listOf (types.submodule listen)) [ ];
    listenAddresses = option (types.listOf types.str) [ ];
    enableACME = option types.bool false;
    useACMEHost = option (types.nullOr types.str) null;
    acmeRoot = option (types.nullOr types.str) "/var/lib/acme/acme-challenge";
    acmeFallbackHost = option (types.nullOr types.str) null;
    addSSL = option types.bool false;
    onlySSL = option types.bool false;
    forceSSL = option types.bool false;
    rejectSSL = option types.bool false;
    kTLS = option types.bool false;
    sslCertificate = required types.path;
    sslCertificateKey = required types.path;
    sslTrustedCertificate = option (types.nullOr types.path) null;
    http2 = option types.bool true;
    http3 = option types.bool true;
    http3_hq = option types.bool false;
    quic = option types.bool false;
    reuseport = option types.bool false;
    root = option (types.nullOr types.path) null;
    default = option types.bool false;
    extraConfig = option types.lines "";
    globalRedirect = option (types.nullOr types.str) null;
    redirectCode = option (types.ints.between 300 399) 301;
    basicAuth = option (types.attrsOf types.str) { };
    basicAuthFile = option (types.nullOr types.path) null;
    locations = option (types.attrsOf (types.submodule (import ./location.nix { inherit lib config; }))) { };
  };
}
