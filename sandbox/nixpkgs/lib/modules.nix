# The module system: modules are collected, their options make a tree, and their definitions are merged into it.
# Messages are NixOS's own words, so that what somebody learns here holds there.
{ lib }:
rec {
  # modules: files, functions or attribute sets. specialArgs: what `imports` may depend on.
  evalModules =
    {
      modules,
      specialArgs ? { },
      prefix ? [ ],
    }:
    let
      collected = collectModules modules baseArgs;
      merged = mergeModules prefix (lib.concatMap (m: declarationsOf m) collected) (
        map (m: { inherit (m) file config; }) collected
      );
      options = merged.options;
      freeforms = lib.concatMap (m: lib.optional (m.freeformType != null) m.freeformType) collected;

      declared = lib.mapAttrs (_: valuesOf) options;
      freeform = (builtins.head freeforms).merge prefix (
        map (d: {
          inherit (d) file;
          value = lib.setAttrByPath d.path d.value;
        }) merged.unmatched
      );
      config =
        if freeforms == [ ] || merged.unmatched == [ ] then declared else lib.recursiveUpdate freeform declared;
      checked =
        if freeforms == [ ] && merged.unmatched != [ ] then
          throw (unknownOption prefix merged.unmatched)
        else
          config;

      baseArgs = specialArgs // {
        inherit lib config options;
      };
    in
    {
      inherit options;
      config = builtins.removeAttrs checked [ "_module" ];
    };

  # `a.b` as another name of `c.d`.
  mkAliasOptionModule =
    from: to:
    { config, options, ... }:
    {
      options = lib.setAttrByPath from (
        lib.mkOption {
          type = (lib.getAttrFromPath to options).type;
          description = "Alias of {option}`${lib.showOption to}`.";
          apply = _: lib.getAttrFromPath to config;
        }
      );
      config = lib.setAttrByPath to (
        lib.mkIf (lib.getAttrFromPath from options).isDefined (
          lib.mkMerge (lib.getAttrFromPath from options).definitions
        )
      );
    };

  valuesOf = x: if lib.isOption x then x.value else lib.mapAttrs (_: valuesOf) x;

  # Each module once, imports after their importer; then the other way round, as NixOS does.
  collectModules =
    modules: args:
    let
      entry = parent: position: module: {
        key =
          if builtins.isPath module || builtins.isString module then
            toString module
          else
            module.key or "${parent}:anon-${toString position}";
        module = loadModule parent args module;
      };
    in
    lib.reverseList (
      map (x: x.module) (
        builtins.genericClosure {
          startSet = lib.imap1 (entry "<unknown-file>") modules;
          operator = x: lib.imap1 (entry x.module.file) x.module.imports;
        }
      )
    );

  loadModule =
    parent: args: module:
    if builtins.isPath module || builtins.isString module then
      structured (toString module) (applyModule args (import module))
    else
      structured parent (applyModule args module);

  # A module's arguments are looked up one by one, so that naming one forces nothing.
  applyModule =
    args: module:
    if lib.isFunction module then
      module (
        args
        // lib.mapAttrs (name: _: args.${name} or args.config._module.args.${name}) (lib.functionArgs module)
      )
    else
      module;

  structured =
    parent: module:
    let
      file = toString (module._file or parent);
      meta = [
        "_file"
        "key"
        "imports"
        "options"
        "config"
        "freeformType"
        "meta"
      ];
      stray = builtins.attrNames (builtins.removeAttrs module meta);
      imports = module.imports or [ ];
    in
    if !builtins.isAttrs module then
      throw "Module `${file}' is not a set of attributes, or a function that returns one."
    else if (module ? config || module ? options) && stray != [ ] then
      throw "Module `${file}' has an unsupported attribute `${builtins.head stray}'. This is caused by introducing a top-level `config' or `options' attribute. Add configuration attributes immediately on the top level instead, or move all of them into the explicit `config' attribute."
    else
      {
        inherit file imports;
        options = module.options or { };
        freeformType = module.freeformType or null;
        config =
          if module ? config || module ? options then
            module.config or { }
          else
            builtins.removeAttrs module (lib.remove "config" meta);
      };

  declarationsOf = module: [ { inherit (module) file options; } ];

  # One level of the tree: { options; unmatched = definitions that no option takes; }
  mergeModules =
    prefix: declarations: definitions:
    let
      declared = lib.zipAttrsWith (_: all: all) (
        map (d: lib.mapAttrs (_: options: { inherit (d) file; inherit options; }) d.options) declarations
      );
      defined = lib.zipAttrsWith (_: all: all) (
        lib.concatMap (
          d:
          map (
            set:
            if builtins.isAttrs set then
              lib.mapAttrs (_: value: { inherit (d) file; inherit value; }) set
            else
              throw "The option `${lib.showOption prefix}' is a set of options, and takes no value of its own. Definition values:${
                lib.showDefs [ { inherit (d) file; value = set; } ]
              }"
          ) (lib.pushDownProperties d.config)
        ) definitions
      );
      level = lib.mapAttrs (
        name: all:
        let
          location = prefix ++ [ name ];
          here = defined.${name} or [ ];
          first = builtins.head all;
        in
        if !lib.any (d: lib.isOption d.options) all then
          mergeModules location all (map (d: { inherit (d) file; config = d.value; }) here)
        else if builtins.length all > 1 then
          throw "The option `${lib.showOption location}' in `${(lib.last all).file}' is already declared in ${
            lib.showFiles (lib.init (map (d: d.file) all))
          }."
        else
          {
            options = evalOption location first.file first.options here;
            unmatched = [ ];
          }
      ) declared;
      strangers = builtins.removeAttrs defined (builtins.attrNames declared);
    in
    {
      options = lib.mapAttrs (_: x: x.options) level;
      unmatched =
        lib.concatLists (
          lib.mapAttrsToList (name: x: map (d: d // { path = [ name ] ++ d.path; }) x.unmatched) level
        )
        ++ lib.concatLists (
          lib.mapAttrsToList (name: map (d: d // { path = [ name ]; })) strangers
        );
    };

  unknownOption =
    prefix: unmatched:
    let
      first = builtins.head unmatched;
    in
    "The option `${lib.showOption (prefix ++ first.path)}' does not exist. Definition values:${
      lib.showDefs (lib.filter (d: d.path == first.path) unmatched)
    }";

  evalOption =
    location: file: option: definitions:
    let
      type = option.type or lib.types.unspecified;
      result = mergeDefinitions location type (
        definitions
        ++ lib.optional (option ? default) {
          inherit file;
          value = lib.mkOptionDefault option.default;
        }
      );
      value =
        if option.readOnly or false && builtins.length result.definitions > 1 then
          throw "The option `${lib.showOption location}' is read-only, but it's set multiple times. Definition values:${lib.showDefs result.definitions}"
        else
          result.value;
    in
    option
    // {
      inherit type;
      loc = location;
      declarations = [ file ];
      inherit (result) isDefined highest;
      definitions = map (d: d.value) definitions;
      files = map (d: d.file) definitions;
      value = (option.apply or lib.id) value;
    };

  # The definitions of one value, merged by its type. `optional` is { } where no definition is left.
  mergeDefinitions =
    location: type: all:
    let
      overridden = lib.filterOverrides (
        lib.concatMap (
          d: map (value: { inherit (d) file; inherit value; }) (lib.dischargeProperties d.value)
        ) all
      );
      definitions = lib.sortProperties overridden.values;
      wrong = lib.filter (d: !type.check d.value) definitions;
      isDefined = definitions != [ ];
      value =
        if !isDefined then
          type.emptyValue.value
            or (throw "The option `${lib.showOption location}' was accessed but has no value defined. Try setting the option.")
        else if wrong != [ ] then
          throw "A definition for option `${lib.showOption location}' is not of type `${type.description}'. Definition values:${lib.showDefs wrong}"
        else
          type.merge location definitions;
    in
    {
      inherit definitions isDefined value;
      inherit (overridden) highest;
      optional = lib.optionalAttrs isDefined { inherit value; };
    };
}
