# Everything that a configuration's modules set, as JSON can hold it.
#
# A value is { kind; value; }. Each attribute of a set has a list of values: what mkMerge has of it.
{ lib, specialArgs }:
let
  # What mkIf, mkMerge and the like are about.
  discharged =
    value:
    {
      "if" = lib.optionals value.condition (discharged value.content);
      merge = lib.concatMap discharged value.contents;
      override = discharged value.content;
      order = discharged value.content;
    }
    .${value._type or ""} or [ value ];

  # A set of packages has no end.
  endless = set: set ? recurseForDerivations || set ? __functor || set ? extend;

  shown =
    value:
    let
      type = builtins.typeOf value;
    in
    if type == "set" && lib.isDerivation value then
      { kind = "package"; }
    else if type == "set" && endless value then
      { kind = "raw"; }
    else if type == "set" then
      {
        kind = "set";
        value = lib.mapAttrs (_: one: map shown (discharged one)) value;
      }
    else if type == "list" then
      {
        kind = "list";
        value = map shown (lib.concatMap discharged value);
      }
    else if type == "lambda" then
      { kind = "function"; }
    else if type == "path" then
      {
        kind = "path";
        value = toString value;
      }
    else
      {
        kind = type;
        inherit value;
      };

  structure = [
    "_file"
    "config"
    "imports"
    "key"
    "meta"
  ];
  loaded =
    file:
    let
      found = import file;
      module = if lib.isFunction found then found specialArgs else found;
      plain = builtins.removeAttrs module structure;
    in
    if module ? options || module ? disabledModules then
      throw "${toString file}: a module with options of its own, or without somebody else's, is not understood here"
    else
      {
        inherit file;
        imports = module.imports or [ ];
        values = discharged (if module ? config then module.config else plain);
      };
in
configuration:
map
  (module: {
    file = baseNameOf module.file;
    values = map shown module.values;
  })
  (
    map (entry: entry.module) (
      builtins.genericClosure {
        startSet = [
          {
            key = toString configuration;
            module = loaded configuration;
          }
        ];
        operator = entry: map (file: {
          key = toString file;
          module = loaded file;
        }) entry.module.imports;
      }
    )
  )
