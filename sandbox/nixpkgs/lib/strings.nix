{ lib }:
rec {
  concatStrings = builtins.concatStringsSep "";
  concatMapStrings = f: list: concatStrings (map f list);
  concatMapStringsSep =
    separator: f: list:
    builtins.concatStringsSep separator (map f list);
  concatMapAttrsStringSep =
    separator: f: set:
    builtins.concatStringsSep separator (lib.mapAttrsToList f set);
  concatLines = concatMapStrings (line: line + "\n");
  intersperse =
    separator: list:
    lib.drop 1 (
      builtins.concatMap (x: [
        separator
        x
      ]) list
    );
  optionalString = condition: string: if condition then string else "";
  replaceStrings = builtins.replaceStrings;
  stringToCharacters =
    string: builtins.genList (n: builtins.substring n 1 string) (builtins.stringLength string);
  splitString =
    separator: string:
    # builtins.split forgets what a string refers to.
    map (part: builtins.substring 0 0 (toString string) + part) (
      builtins.filter builtins.isString (
        builtins.split (escapeRegex (toString separator)) (toString string)
      )
    );
  escape = list: builtins.replaceStrings list (map (c: "\\${c}") list);
  escapeRegex = escape (stringToCharacters "\\[{()^$?*+|.");
  escapeShellArg =
    argument:
    let
      string = toString argument;
    in
    if builtins.match "[[:alnum:],._+:@%/-]+" string != null then
      string
    else
      "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] string}'";
  escapeShellArgs = concatMapStringsSep " " escapeShellArg;
  hasPrefix = prefix: string: builtins.substring 0 (builtins.stringLength prefix) string == prefix;
  hasSuffix =
    suffix: string:
    let
      start = builtins.stringLength string - builtins.stringLength suffix;
    in
    start >= 0 && builtins.substring start (builtins.stringLength suffix) string == suffix;
  hasInfix = infix: string: builtins.match ".*${escapeRegex infix}.*" string != null;
  removePrefix =
    prefix: string:
    if hasPrefix prefix string then
      builtins.substring (builtins.stringLength prefix) (-1) string
    else
      string;
  removeSuffix =
    suffix: string:
    if hasSuffix suffix string then
      builtins.substring 0 (builtins.stringLength string - builtins.stringLength suffix) string
    else
      string;
  trim =
    string:
    let
      found = builtins.match "[ \t\r\n]*(.*[^ \t\r\n])[ \t\r\n]*" string;
    in
    # builtins.match forgets what a string refers to.
    builtins.substring 0 0 string + (if found == null then "" else builtins.head found);
  fileContents = path: removeSuffix "\n" (builtins.readFile path);
  toLower = builtins.replaceStrings upperCharacters lowerCharacters;
  toUpper = builtins.replaceStrings lowerCharacters upperCharacters;
  lowerCharacters = stringToCharacters "abcdefghijklmnopqrstuvwxyz";
  upperCharacters = stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  makeSearchPath =
    folder: packages: builtins.concatStringsSep ":" (map (package: "${package}/${folder}") packages);
  toInt =
    string:
    if builtins.match "-?[0-9]+" string != null then
      builtins.fromJSON string
    else
      throw "toInt: Could not convert ${builtins.toJSON string} to int.";
  fixedWidthString =
    width: filler: string:
    if builtins.stringLength string >= width then string else fixedWidthString width filler (filler + string);
  # The name without the version, as in a package's `name` or `pname`.
  getName = x: if builtins.isString x then (builtins.parseDrvName x).name else x.pname or (builtins.parseDrvName x.name).name;
  getVersion =
    x: if builtins.isString x then (builtins.parseDrvName x).version else x.version or (builtins.parseDrvName x.name).version;
  nameFromURL = url: separator: builtins.head (splitString separator (lib.last (splitString "/" url)));
  sanitizeDerivationName =
    string:
    let
      parts = builtins.filter builtins.isString (builtins.split "[^[:alnum:]+._?=-]+" (builtins.unsafeDiscardStringContext string));
      name = removePrefix "." (builtins.concatStringsSep "-" parts);
    in
    if name == "" then "unknown" else name;
  isStringLike = x: builtins.isString x || builtins.isPath x || x ? outPath || x ? __toString;
  isStorePath =
    x:
    isStringLike x
    && (
      let
        path = toString x;
      in
      hasPrefix "${builtins.storeDir}/" path && builtins.match "${escapeRegex builtins.storeDir}/[^/]+" path != null
    );
  versions = {
    major = version: builtins.head (builtins.splitVersion version);
  };
}
