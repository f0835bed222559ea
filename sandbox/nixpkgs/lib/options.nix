{ lib }:
rec {
  mkOption = attributes: attributes // { _type = "option"; };
  isOption = x: x._type or "" == "option";
  mkEnableOption =
    name:
    mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether to enable ${name}.";
    };
  mkPackageOption =
    pkgs: name:
    {
      default ? name,
    }:
    mkOption {
      type = lib.types.package;
      default = lib.getAttrFromPath (lib.toList default) pkgs;
      description = "The ${builtins.toString name} package to use.";
    };
  literalExpression = text: {
    _type = "literalExpression";
    inherit text;
  };

  # An option's name, as in messages: foo."bar.baz".qux
  showOption =
    parts:
    lib.concatStringsSep "." (
      map (
        part:
        if builtins.match "[a-zA-Z_][a-zA-Z0-9_'-]*" part != null || builtins.match "(<name>|[*])" part != null then
          part
        else
          builtins.toJSON part
      ) parts
    );
  showFiles = files: lib.concatMapStringsSep " and " (file: "`${file}'") files;
  showDefs = lib.concatMapStrings (
    definition:
    let
      pretty = builtins.tryEval (lib.generators.toPretty { indent = "    "; } definition.value);
    in
    "\n- In `${definition.file}'" + lib.optionalString pretty.success ": ${pretty.value}"
  );
  getValues = map (definition: definition.value);
  getFiles = map (definition: definition.file);

  # How several definitions of one option become its value.
  mergeOneOption =
    location: definitions:
    if builtins.length definitions == 1 then
      (builtins.head definitions).value
    else
      throw (clash "is defined multiple times while it's expected to be unique.\nDefinition values:" location definitions);
  mergeEqualOption =
    location: definitions:
    let
      first = (builtins.head definitions).value;
    in
    if lib.all (d: d.value == first) (builtins.tail definitions) then
      first
    else
      throw (clash "has conflicting definition values:" location definitions);
  mergeDefaultOption =
    location: definitions:
    let
      values = getValues definitions;
    in
    if builtins.length values == 1 then
      builtins.head values
    else if lib.all builtins.isList values then
      lib.concatLists values
    else if lib.all builtins.isAttrs values then
      lib.mergeAttrsList values
    else
      mergeEqualOption location definitions;
  clash =
    what: location: definitions:
    "The option `${showOption location}' ${what}${showDefs definitions}\nUse `lib.mkForce value` or `lib.mkDefault value` to change the priority on any of these definitions.";

  # Every option of a tree, submodules' included, for the test that holds them against NixOS's own list.
  optionAttrSetToDocList =
    options:
    lib.concatLists (
      lib.mapAttrsToList (
        _: option:
        if !isOption option then
          optionAttrSetToDocList option
        else
          [
            {
              name = showOption option.loc;
              type = option.type.description;
              internal = option.internal or false;
            }
          ]
          ++ optionAttrSetToDocList (option.type.getSubOptions option.loc)
      ) (builtins.removeAttrs options [ "_module" ])
    );
}
