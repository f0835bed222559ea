# What a login finds: environment variables, for shells and, by PAM, for what sshd runs.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option;
  inherit (lib) types;
  cfg = config.environment;

  atom = types.oneOf [
    types.int
    types.str
    types.path
  ];
  variables = lib.mkOption {
    type = types.attrsOf (
      types.nullOr (
        types.either (
          types.listOf (
            types.oneOf [
              types.int
              types.str
              types.path
            ]
          )
        ) atom
      )
    );
    default = { };
    apply = lib.mapAttrs (
      _: value: if builtins.isList value then lib.concatMapStringsSep ":" toString value else value
    );
  };
  aliases = lib.concatStrings (
    lib.mapAttrsToList (name: value: "alias -- ${name}=${lib.escapeShellArg value}\n") (
      lib.filterAttrs (_: value: value != null) cfg.shellAliases
    )
  );
  path = "/run/wrappers/bin:/nix/var/nix/profiles/default/bin:/run/current-system/sw/bin";
  set = lib.filterAttrs (_: value: value != null) (cfg.sessionVariables // cfg.variables);
in
{
  options.environment = {
    inherit variables;
    sessionVariables = variables;
    shellAliases = option (types.attrsOf (types.nullOr (types.either types.str types.path))) { };
    shellInit = option types.lines "";
    loginShellInit = option types.lines "";
    interactiveShellInit = option types.lines "";
    extraInit = option types.lines "";
    shells = option (types.listOf (types.either types.package types.path)) [ ];
  };
  options.programs.bash = {
    enable = option types.bool true;
    shellInit = option types.lines "";
    loginShellInit = option types.lines "";
    interactiveShellInit = option types.lines "";
    promptInit = option types.lines ''PS1='[\u@\h:\w]\$ ' '';
    shellAliases = option (types.attrsOf (types.nullOr (types.either types.str types.path))) { };
  };

  config = {
    environment.sessionVariables = {
      NIX_PATH = lib.mkIf (config.nix.nixPath != [ ]) config.nix.nixPath;
      LANG = config.i18n.defaultLocale;
      PAGER = lib.mkDefault "less";
    };
    environment.etc = {
      "set-environment".text = ''
        # Read by every shell, once.
        export __NIXOS_SET_ENVIRONMENT_DONE=1
        export PATH="${path}"
        ${lib.concatStrings (
          lib.mapAttrsToList (name: value: "export ${name}=${lib.escapeShellArg value}\n") set
        )}
        ${cfg.extraInit}
      '';
      "pam/environment".text =
        "PATH DEFAULT=\"${path}\"\n"
        + lib.concatStrings (
          lib.mapAttrsToList (name: value: "${name} DEFAULT=\"${toString value}\"\n") (
            lib.filterAttrs (_: value: value != null) cfg.sessionVariables
          )
        );
      "profile".text = ''
        # Read by login shells.
        if [ -n "''${__ETC_PROFILE_SOURCED-}" ]; then return; fi
        __ETC_PROFILE_SOURCED=1
        if [ -z "''${__NIXOS_SET_ENVIRONMENT_DONE-}" ]; then . /etc/set-environment; fi
        ${cfg.shellInit}
        ${config.programs.bash.shellInit}
        ${cfg.loginShellInit}
        ${config.programs.bash.loginShellInit}
        if [ -n "''${BASH_VERSION-}" ]; then . /etc/bashrc; fi
      '';
      "bashrc".text = ''
        # Read by interactive shells, and by what sshd starts.
        if [ -n "''${__ETC_BASHRC_SOURCED-}" ]; then return; fi
        __ETC_BASHRC_SOURCED=1
        if [ -z "''${__NIXOS_SET_ENVIRONMENT_DONE-}" ]; then . /etc/set-environment; fi
        if [ -n "''${PS1-}" ]; then
        ${config.programs.bash.promptInit}
        ${aliases}
        ${cfg.interactiveShellInit}
        ${config.programs.bash.interactiveShellInit}
        fi
      '';
      # Debian's bash looks here.
      "bash.bashrc".text = ". /etc/bashrc\n";
      "shells".text = lib.concatLines (
        [
          "/run/current-system/sw/bin/bash"
          "/run/current-system/sw/bin/sh"
          "/bin/sh"
        ]
        ++ map toString cfg.shells
      );
    };
  };
}
