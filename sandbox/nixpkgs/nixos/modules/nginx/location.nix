{ lib, config }:
let
  inherit (import ../../lib/declare.nix { inherit lib; }) option;
  inherit (lib) types;
in
{
  options = {
    basicAuth = option (types.attrsOf types.str) { };
    basicAuthFile = option (types.nullOr types.path) null;
    proxyPass = option (types.nullOr types.str) null;
    proxyWebsockets = option types.bool false;
    uwsgiPass = option (types.nullOr types.str) null;
    index = option (types.nullOr types.str) null;
    tryFiles = option (types.nullOr types.str) null;
    root = option (types.nullOr types.path) null;
    alias = option (types.nullOr types.path) null;
    return = option (types.nullOr (types.either types.str types.int)) null;
    fastcgiParams = option (types.attrsOf (types.either types.str types.path)) { };
    extraConfig = option types.lines "";
    priority = option types.int 1000;
    recommendedProxySettings = option types.bool config.services.nginx.recommendedProxySettings;
  };
}
