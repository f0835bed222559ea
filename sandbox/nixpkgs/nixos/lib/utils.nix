{ lib }:
rec {
  # An absolute path as a unit's name: /mnt/media is mnt-media.
  escapeSystemdPath =
    path:
    let
      trimmed = lib.concatStringsSep "/" (lib.filter (part: part != "") (lib.splitString "/" path));
      escape =
        character:
        if character == "/" then
          "-"
        else if builtins.match "[a-zA-Z0-9:_.]" character != null then
          character
        else if character == "-" then
          "\\x2d"
        else
          throw "escapeSystemdPath: cannot escape `${character}' in `${path}'";
    in
    if trimmed == "" then "-" else lib.concatMapStrings escape (lib.stringToCharacters trimmed);

  escapeSystemdExecArg =
    argument:
    builtins.replaceStrings [ "%" "$" ] [ "%%" "$$" ] (builtins.toJSON (toString argument));
  escapeSystemdExecArgs = lib.concatMapStringsSep " " escapeSystemdExecArg;
  toShellPath =
    shell: if shell ? shellPath then "/run/current-system/sw${shell.shellPath}" else toString shell;
}
