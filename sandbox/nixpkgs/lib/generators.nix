{ lib }:
rec {
  mkValueStringDefault =
    _: value:
    if builtins.isBool value then
      lib.boolToString value
    else if value == null then
      "null"
    else
      toString value;
  mkKeyValueDefault =
    {
      mkValueString ? mkValueStringDefault { },
    }:
    separator: key: value:
    "${lib.escape [ separator ] key}${separator}${mkValueString value}";
  toKeyValue =
    {
      mkKeyValue ? mkKeyValueDefault { } "=",
      listsAsDuplicateKeys ? false,
    }:
    set:
    lib.concatLines (
      lib.concatLists (
        lib.mapAttrsToList (
          name: value:
          if listsAsDuplicateKeys then map (mkKeyValue name) (lib.toList value) else [ (mkKeyValue name value) ]
        ) set
      )
    );
  toINI =
    {
      mkKeyValue ? mkKeyValueDefault { } "=",
      listsAsDuplicateKeys ? false,
    }:
    sections:
    lib.concatMapAttrsStringSep "\n" (
      name: section: "[${name}]\n" + toKeyValue { inherit mkKeyValue listsAsDuplicateKeys; } section
    ) sections;
  toJSON = _: builtins.toJSON;

  # A value as Nix would write it, for error messages.
  toPretty =
    options: value:
    let
      go =
        indent: depth: v:
        let
          inner = "${indent}  ";
          nested = map (x: "\n${inner}${x}");
        in
        if depth > 6 then
          "<…>"
        else if builtins.isInt v || builtins.isFloat v then
          toString v
        else if builtins.isBool v then
          lib.boolToString v
        else if v == null then
          "null"
        else if builtins.isString v then
          "\"${lib.escape [ "\"" "\\" "$" ] (builtins.replaceStrings [ "\n" ] [ "\\n" ] v)}\""
        else if builtins.isPath v then
          toString v
        else if builtins.isFunction v then
          "<function>"
        else if builtins.isList v then
          if v == [ ] then "[ ]" else "[" + lib.concatStrings (nested (map (go inner (depth + 1)) v)) + "\n${indent}]"
        else if lib.isDerivation v then
          "<derivation ${v.name or "???"}>"
        else if v == { } then
          "{ }"
        else
          "{"
          + lib.concatStrings (nested (lib.mapAttrsToList (n: x: "${n} = ${go inner (depth + 1) x};") v))
          + "\n${indent}}";
    in
    go (options.indent or "") 0 value;
}
