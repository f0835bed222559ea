# Option types: what a value has to be (check), how several definitions become one (merge), and the words for it.
{ lib }:
let
  inherit (import ./modules.nix { inherit lib; }) mergeDefinitions evalModules;

  mkOptionType =
    {
      name,
      description ? name,
      # "noun", "conjunction" or "composite": where the description needs brackets in a longer one.
      descriptionClass ? null,
      check ? _: true,
      merge ? lib.mergeDefaultOption,
      emptyValue ? { },
      getSubOptions ? _: { },
    }:
    {
      _type = "option-type";
      inherit
        name
        description
        descriptionClass
        check
        merge
        emptyValue
        getSubOptions
        ;
    };

  phrase =
    bare: type:
    if builtins.elem type.descriptionClass bare then type.description else "(${type.description})";

  equal =
    name: description: check:
    mkOptionType {
      inherit name description check;
      descriptionClass = "noun";
      merge = lib.mergeEqualOption;
    };

  isNumber = x: builtins.isInt x || builtins.isFloat x;
  isText = builtins.isString;

  separated =
    separator:
    mkOptionType {
      name = "separatedString";
      description =
        if separator == "" then
          "Concatenated string"
        else if separator == " " then
          "strings concatenated with \" \""
        else
          "strings concatenated with “${lib.replaceStrings [ "\n" ] [ "\\n" ] separator}”";
      descriptionClass = "noun";
      check = isText;
      merge = _: defs: lib.concatStringsSep separator (lib.getValues defs);
    };

  between =
    name: description: low: high:
    mkOptionType {
      inherit name description;
      descriptionClass = "noun";
      check = x: builtins.isInt x && x >= low && x <= high;
      merge = lib.mergeEqualOption;
    };
  unsignedBits =
    bits: high:
    between "unsignedInt${toString bits}"
      "${toString bits} bit unsigned integer; between 0 and ${toString high} (both inclusive)"
      0
      high;

  attrsOfWith =
    { lazy, elem }:
    mkOptionType {
      name = if lazy then "lazyAttrsOf" else "attrsOf";
      description =
        (if lazy then "lazy attribute set" else "attribute set")
        + " of ${phrase [ "noun" "composite" ] elem}";
      descriptionClass = "composite";
      check = builtins.isAttrs;
      merge =
        loc: defs:
        let
          merged = lib.zipAttrsWith (name: mergeDefinitions (loc ++ [ name ]) elem) (
            map (
              d:
              lib.mapAttrs (_: value: {
                inherit (d) file;
                inherit value;
              }) d.value
            ) defs
          );
        in
        if lazy then
          lib.mapAttrs (_: m: m.optional.value or elem.emptyValue.value or m.value) merged
        else
          lib.mapAttrs (_: m: m.value) (lib.filterAttrs (_: m: m.isDefined) merged);
      emptyValue.value = { };
      getSubOptions = loc: elem.getSubOptions (loc ++ [ "<name>" ]);
    };

  types = rec {
    inherit mkOptionType;

    unspecified = mkOptionType {
      name = "unspecified";
      description = "unspecified value";
      descriptionClass = "noun";
    };
    raw = mkOptionType {
      name = "raw";
      description = "raw value";
      descriptionClass = "noun";
      merge = lib.mergeOneOption;
    };
    anything = mkOptionType {
      name = "anything";
      description = "anything";
      descriptionClass = "noun";
      merge =
        loc: defs:
        if lib.all (d: builtins.isAttrs d.value && !lib.isDerivation d.value) defs then
          (lazyAttrsOf anything).merge loc defs
        else if lib.all (d: builtins.isList d.value) defs then
          (listOf anything).merge loc defs
        else
          lib.mergeEqualOption loc defs;
    };

    bool = equal "bool" "boolean" builtins.isBool;
    int = equal "int" "signed integer" builtins.isInt;
    float = equal "float" "floating point number" builtins.isFloat;
    number = equal "number" "signed integer or floating point number" isNumber;
    ints = {
      between =
        low: high:
        between "intBetween" "integer between ${toString low} and ${toString high} (both inclusive)" low high;
      unsigned = between "unsignedInt" "unsigned integer, meaning >=0" 0 9223372036854775807 // {
        descriptionClass = null;
      };
      positive = between "positiveInt" "positive integer, meaning >0" 1 9223372036854775807 // {
        descriptionClass = null;
      };
      u8 = unsignedBits 8 255;
      u16 = unsignedBits 16 65535;
      u32 = unsignedBits 32 4294967295;
    };
    port = ints.u16;

    str = equal "str" "string" isText;
    singleLineStr = mkOptionType {
      name = "singleLineStr";
      description = "(optionally newline-terminated) single-line string";
      descriptionClass = "noun";
      check = x: isText x && builtins.match "[^\n\r]*\n?" x != null;
      merge = loc: defs: lib.removeSuffix "\n" (lib.mergeEqualOption loc defs);
    };
    strMatching =
      pattern:
      equal "strMatching" "string matching the pattern ${pattern}" (
        x: isText x && builtins.match pattern x != null
      );
    # A string with a rule of its own.
    strWhere = description: rule: equal "str" description (x: isText x && rule x);
    separatedString = separated;
    lines = separated "\n";
    commas = separated ",";
    envVar = separated ":";

    path = equal "path" "absolute path" (
      x: lib.isStringLike x && builtins.substring 0 1 (toString x) == "/"
    );
    pathInStore = equal "pathInStore" "path in the Nix store" (
      x: lib.isStringLike x && builtins.match "${lib.escapeRegex builtins.storeDir}/[^.].*" (toString x) != null
    );
    package = mkOptionType {
      name = "package";
      description = "package";
      descriptionClass = "noun";
      check = x: lib.isDerivation x || lib.isStorePath x;
      merge = lib.mergeOneOption;
    };
    shellPackage = package;

    attrs = mkOptionType {
      name = "attrs";
      description = "attribute set";
      check = builtins.isAttrs;
      merge = _: defs: lib.mergeAttrsList (lib.getValues defs);
      emptyValue.value = { };
    };
    attrsOf =
      elem:
      attrsOfWith {
        lazy = false;
        inherit elem;
      };
    lazyAttrsOf =
      elem:
      attrsOfWith {
        lazy = true;
        inherit elem;
      };
    listOf =
      elem:
      mkOptionType {
        name = "listOf";
        description = "list of ${phrase [ "noun" "composite" ] elem}";
        descriptionClass = "composite";
        check = builtins.isList;
        merge =
          loc: defs:
          lib.concatLists (
            lib.imap1 (
              n: d:
              lib.concatLists (
                lib.imap1 (
                  m: value:
                  let
                    merged = mergeDefinitions (loc ++ [ "[definition ${toString n}-entry ${toString m}]" ]) elem [
                      {
                        inherit (d) file;
                        inherit value;
                      }
                    ];
                  in
                  lib.optional merged.isDefined merged.value
                ) d.value
              )
            ) defs
          );
        emptyValue.value = [ ];
        getSubOptions = loc: elem.getSubOptions (loc ++ [ "*" ]);
      };
    nonEmptyListOf =
      elem:
      listOf elem
      // {
        description = "non-empty (list of ${phrase [ "noun" ] elem})";
        check = x: builtins.isList x && x != [ ];
        emptyValue = { };
      };

    nullOr =
      elem:
      mkOptionType {
        name = "nullOr";
        description = "null or ${phrase [ "noun" "conjunction" ] elem}";
        descriptionClass = "conjunction";
        check = x: x == null || elem.check x;
        merge =
          loc: defs:
          let
            nulls = lib.count (d: d.value == null) defs;
          in
          if nulls == builtins.length defs then
            null
          else if nulls != 0 then
            throw "The option `${lib.showOption loc}' is defined both null and not null, in ${lib.showFiles (lib.getFiles defs)}."
          else
            elem.merge loc defs;
        emptyValue.value = null;
        inherit (elem) getSubOptions;
      };
    either =
      a: b:
      mkOptionType {
        name = "either";
        description = "${phrase [ "noun" "conjunction" ] a} or ${phrase [ "noun" "conjunction" "composite" ] b}";
        descriptionClass = "conjunction";
        check = x: a.check x || b.check x;
        merge =
          loc: defs:
          if lib.all (d: a.check d.value) defs then
            a.merge loc defs
          else if lib.all (d: b.check d.value) defs then
            b.merge loc defs
          else
            lib.mergeOneOption loc defs;
        getSubOptions = loc: a.getSubOptions loc // b.getSubOptions loc;
      };
    oneOf = all: lib.foldl' either (builtins.head all) (builtins.tail all);
    coercedTo =
      from: coerce: to:
      mkOptionType {
        name = "coercedTo";
        description = "${phrase [ "noun" ] to} or ${phrase [ "noun" ] from} convertible to it";
        descriptionClass = "conjunction";
        check = x: (from.check x && to.check (coerce x)) || to.check x;
        merge =
          loc: defs:
          to.merge loc (map (d: d // { value = if from.check d.value then coerce d.value else d.value; }) defs);
        inherit (to) emptyValue getSubOptions;
      };
    enum =
      values:
      mkOptionType {
        name = "enum";
        description =
          let
            show = v: if builtins.isString v then "“${v}”" else toString v;
          in
          if builtins.length values == 1 then
            "value ${show (builtins.head values)} (singular enum)"
          else
            "one of ${lib.concatMapStringsSep ", " show values}";
        descriptionClass = if builtins.length values == 1 then "noun" else "conjunction";
        check = x: builtins.elem x values;
        merge = lib.mergeEqualOption;
      };
    functionTo =
      elem:
      mkOptionType {
        name = "functionTo";
        description = "function that evaluates to a(n) ${phrase [ "noun" "composite" ] elem}";
        descriptionClass = "composite";
        check = lib.isFunction;
        merge =
          loc: defs: argument:
          (mergeDefinitions (loc ++ [ "<function body>" ]) elem (
            map (d: d // { value = d.value argument; }) defs
          )).value;
      };

    submodule = module: submoduleWith { modules = lib.toList module; };
    submoduleWith =
      {
        modules,
        specialArgs ? { },
      }:
      let
        freeforms = lib.concatMap (m: lib.optional (m ? freeformType) m.freeformType) modules;
        evaluate =
          prefix: definitions:
          evalModules {
            inherit prefix specialArgs;
            modules = [ (named prefix) ] ++ modules ++ definitions;
          };
        # A submodule's argument `name` is the last part of its place.
        named = prefix: {
          options._module.args = lib.mkOption {
            type = lazyAttrsOf raw;
            internal = true;
          };
          config._module.args.name = if prefix == [ ] then "‹name›" else lib.last prefix;
        };
      in
      mkOptionType {
        name = "submodule";
        description =
          if freeforms == [ ] then
            "submodule"
          else
            "open submodule of ${phrase [ "noun" "composite" ] (builtins.head freeforms)}";
        check = x: builtins.isAttrs x || lib.isFunction x || builtins.isPath x;
        merge =
          loc: defs:
          (evaluate loc (
            map (
              d:
              if builtins.isAttrs d.value && !(lib.isFunction d.value) then
                {
                  _file = d.file;
                  config = d.value;
                }
              else
                d.value
            ) defs
          )).config;
        emptyValue.value = { };
        getSubOptions = prefix: (evaluate prefix [ ]).options;
      };
  };
in
types
