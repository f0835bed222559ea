{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  inherit (import ../lib/declare.nix { inherit lib; }) option internal readOnly;
  cfg = config.system.nixos;
  revisionFile = ../../.git-revision;
  revision = if builtins.pathExists revisionFile then lib.fileContents revisionFile else "master";
in
{
  options.system = {
    stateVersion = option lib.types.str cfg.release // {
      apply =
        v:
        lib.warnIf (builtins.match "[0-9]{2}\\.[0-9]{2}" v == null)
          "${v} is an invalid value for 'system.stateVersion'; it must be in the format \"YY.MM\"."
          v;
    };
    configurationRevision = option (lib.types.nullOr lib.types.str) null;
    nixos.release = readOnly lib.types.str lib.trivial.release;
    nixos.version = internal lib.types.str lib.trivial.version;
    nixos.distroId = internal lib.types.str "nixos";
    nixos.label = internal lib.types.str lib.trivial.version;
  };

  config.warnings =
    lib.optional (options.system.stateVersion.highest == 1500)
      "system.stateVersion is not set, defaulting to ${config.system.stateVersion}.";
  config.environment.systemPackages = [
    (pkgs.writeShellScriptBin "nixos-version" ''
      case ''${1-} in
        --hash | --revision) echo ${lib.escapeShellArg revision} ;;
        --json) echo ${
          lib.escapeShellArg (
            builtins.toJSON {
              nixosVersion = cfg.version;
              nixpkgsRevision = revision;
            }
          )
        } ;;
        *) echo "${cfg.version} (${lib.trivial.codeName})" ;;
      esac
    '')
  ];
  config.environment.etc = {
    os-release.text = lib.concatStrings (
      lib.mapAttrsToList (name: value: "${name}=${builtins.toJSON value}\n") {
        ANSI_COLOR = "0;38;2;126;186;228";
        BUILD_ID = cfg.version;
        DEFAULT_HOSTNAME = cfg.distroId;
        HOME_URL = "https://nixos.org/";
        ID = cfg.distroId;
        NAME = "NixOS";
        PRETTY_NAME = "NixOS ${cfg.release} (${lib.trivial.codeName})";
        VERSION = "${cfg.release} (${lib.trivial.codeName})";
        VERSION_CODENAME = lib.toLower lib.trivial.codeName;
        VERSION_ID = cfg.release;
        VENDOR_NAME = "NixOS";
      }
    );
    lsb-release.text = ''
      DISTRIB_ID=${cfg.distroId}
      DISTRIB_RELEASE="${cfg.release}"
      DISTRIB_CODENAME=${lib.toLower lib.trivial.codeName}
      DISTRIB_DESCRIPTION="NixOS ${cfg.release} (${lib.trivial.codeName})"
    '';
  };
}
