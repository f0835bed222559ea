# How derivations are made here: by /bin/sh and Debian's tools, with nixpkgs' names and arguments.
{
  lib,
  system,
  config,
}:
let
  checkLicense = import ./unfree.nix { inherit lib config; };

  mkDerivation =
    attributes:
    let
      name = attributes.name or "${attributes.pname}-${attributes.version}";
      meta = attributes.meta or { };
      passthru = attributes.passthru or { };
      environment = builtins.removeAttrs attributes [
        "meta"
        "passthru"
      ];
      result =
        derivation (
          environment
          // {
            inherit name;
            system = attributes.system or system;
            builder = "/bin/sh";
            args = [
              "-e"
              ./stdenv.sh
            ];
            tools = map toString ((attributes.nativeBuildInputs or [ ]) ++ (attributes.buildInputs or [ ]));
          }
        )
        // passthru
        // {
          inherit meta passthru;
          overrideAttrs =
            change: mkDerivation (attributes // (if lib.isFunction change then change attributes else change));
        }
        // lib.optionalAttrs (attributes ? pname) { inherit (attributes) pname version; };
    in
    checkLicense (attributes // { inherit name; }) result;

  local = {
    preferLocalBuild = true;
    allowSubstitutes = false;
  };
in
rec {
  inherit mkDerivation;
  stdenv = {
    inherit mkDerivation;
    inherit (hostPlatform) isLinux isx86_64 isAarch64;
    inherit hostPlatform;
  };
  stdenvNoCC = stdenv;
  hostPlatform = {
    inherit system;
    isLinux = true;
    isx86_64 = lib.hasPrefix "x86_64" system;
    isAarch64 = lib.hasPrefix "aarch64" system;
  };

  runCommand =
    name: environment: buildCommand:
    mkDerivation ({ inherit name buildCommand; } // local // environment);
  runCommandLocal = runCommand;

  writeTextFile =
    {
      name,
      text,
      executable ? false,
      destination ? "",
      checkPhase ? "",
      meta ? { },
    }:
    runCommand (lib.sanitizeDerivationName name)
      {
        inherit text meta;
        passAsFile = [ "text" ];
      }
      ''
        target="$out${destination}"
        mkdir -p "$(dirname "$target")"
        cp "$textPath" "$target"
        ${lib.optionalString executable ''chmod +x "$target"''}
        ${checkPhase}
      '';
  writeText = name: text: writeTextFile { inherit name text; };
  writeTextDir =
    path: text:
    writeTextFile {
      name = baseNameOf path;
      inherit text;
      destination = "/${path}";
    };
  writeScript =
    name: text:
    writeTextFile {
      inherit name text;
      executable = true;
    };
  writeScriptBin =
    name: text:
    writeTextFile {
      inherit name text;
      executable = true;
      destination = "/bin/${name}";
      meta.mainProgram = name;
    };
  writeShellScript = name: text: writeScript name "#!/bin/bash\n${text}";
  writeShellScriptBin = name: text: writeScriptBin name "#!/bin/bash\n${text}";
  writeShellApplication =
    {
      name,
      text,
      runtimeInputs ? [ ],
      runtimeEnv ? { },
      bashOptions ? [
        "errexit"
        "nounset"
        "pipefail"
      ],
      ...
    }:
    writeShellScriptBin name ''
      ${lib.concatMapStrings (option: "set -o ${option}\n") bashOptions}
      ${lib.concatMapAttrsStringSep "" (n: v: "export ${n}=${lib.escapeShellArg v}\n") runtimeEnv}
      ${lib.optionalString (runtimeInputs != [ ]) ''export PATH="${lib.makeBinPath runtimeInputs}:$PATH"''}
      ${text}
    '';

  # One tree of links; of two packages with the same file, the first wins.
  buildEnv =
    {
      name,
      paths,
      pathsToLink ? [ "/" ],
      postBuild ? "",
      meta ? { },
      ...
    }:
    runCommand name
      {
        inherit meta pathsToLink;
        paths = map toString paths;
      }
      ''
        mkdir -p "$out"
        for path in $paths; do
          for folder in $pathsToLink; do
            [ -d "$path$folder" ] || continue
            mkdir -p "$out$folder"
            cp -rs --update=none "$path$folder/." "$out$folder/" 2>/dev/null ||
              cp -rsn "$path$folder/." "$out$folder/"
            chmod -R u+w "$out$folder"
          done
        done
        ${postBuild}
      '';
  symlinkJoin = { name, paths, postBuild ? "", ... }@arguments: buildEnv arguments;
  linkFarm =
    name: entries:
    runCommand name { } (
      "mkdir -p $out\n"
      + lib.concatMapStrings (
        entry:
        "mkdir -p \"$(dirname $out/${lib.escapeShellArg entry.name})\"\nln -s ${lib.escapeShellArg entry.path} $out/${lib.escapeShellArg entry.name}\n"
      ) (if builtins.isAttrs entries then lib.mapAttrsToList (name: path: { inherit name path; }) entries else entries)
    );

  # By Nix's own downloader, whose result is checked by hash.
  fetchurl =
    {
      url ? builtins.head urls,
      urls ? [ url ],
      name ? baseNameOf (toString url),
      sha256 ? "",
      sha512 ? "",
      hash ? "",
      executable ? false,
      ...
    }:
    derivation {
      inherit name url executable;
      urls = [ url ];
      system = "builtin";
      builder = "builtin:fetchurl";
      unpack = false;
      outputHashMode = if executable then "recursive" else "flat";
      outputHash =
        if hash != "" then
          hash
        else if sha256 != "" then
          sha256
        else
          sha512;
      outputHashAlgo =
        if hash != "" then
          null
        else if sha256 != "" then
          "sha256"
        else
          "sha512";
      preferLocalBuild = true;
    };
  # The hash is that of the unpacked tree.
  fetchzip =
    {
      url,
      name ? "source",
      sha256 ? "",
      hash ? "",
      stripRoot ? true,
      ...
    }:
    mkDerivation {
      inherit name;
      archive = url;
      outputHashMode = "recursive";
      outputHash = if hash != "" then hash else sha256;
      outputHashAlgo = if hash != "" then null else "sha256";
      impureEnvVars = [
        "http_proxy"
        "https_proxy"
        "NIX_SSL_CERT_FILE"
      ];
      buildCommand = ''
        file="$TMPDIR/$(basename "$archive")"
        curl -fsSL --retry 3 -o "$file" "$archive"
        mkdir "$TMPDIR/unpacked"
        cd "$TMPDIR/unpacked"
        unpackFile "$file"
        ${lib.optionalString stripRoot "enterOnlyFolder"}
        cp -R . "$out"
      '';
    };
  fetchFromGitHub =
    {
      owner,
      repo,
      rev ? null,
      tag ? null,
      ...
    }@arguments:
    fetchzip (
      {
        url = "https://github.com/${owner}/${repo}/archive/${
          if tag != null then "refs/tags/${tag}" else rev
        }.tar.gz";
      }
      // lib.filterAttrs (name: _: lib.elem name [ "sha256" "hash" ]) arguments
    );
  emptyFile = writeText "empty-file" "";
  emptyDirectory = runCommand "empty-directory" { } "mkdir $out";
}
