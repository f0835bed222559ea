# A configuration's modules without the options that an older NixOS does not know. Each is named on stderr.
{ lib, options }:
let
  pruned =
    options: path: value:
    let
      property = value._type or "";
    in
    if property == "merge" then
      value // { contents = map (pruned options path) value.contents; }
    else if lib.elem property [ "if" "override" "order" ] then
      value // { content = pruned options path value.content; }
    else if lib.isOption options then
      inOption options.type path value
    else
      inSet options path false value;

  # `free`: what is not declared is taken as it is.
  inSet =
    options: path: free: set:
    builtins.listToAttrs (
      lib.concatMap (
        name:
        if options ? ${name} then
          [
            {
              inherit name;
              value = pruned options.${name} (path ++ [ name ]) set.${name};
            }
          ]
        else if free then
          [
            {
              inherit name;
              value = set.${name};
            }
          ]
        else
          builtins.trace "dropped: ${lib.concatStringsSep "." (path ++ [ name ])}" [ ]
      ) (builtins.attrNames set)
    );

  inOption =
    type: path: value:
    let
      below = builtins.removeAttrs (type.getSubOptions path) [ "_module" ];
    in
    if below == { } then
      value
    else if lib.elem type.name [ "attrsOf" "lazyAttrsOf" "loaOf" ] then
      lib.mapAttrs (name: pruned below (path ++ [ name ])) value
    else if type.name == "listOf" then
      map (pruned below path) value
    else if type.name == "submodule" then
      inSet below path (type.nestedTypes ? freeformType) value
    else
      value;

  adapted =
    file:
    let
      module = if builtins.isPath file then import file else file;
      without =
        args:
        let
          found = if lib.isFunction module then module args else module;
        in
        {
          _file = if builtins.isPath file then toString file else "<a module without a file>";
          imports = map adapted (found.imports or [ ]);
          config = pruned options [ ] (builtins.removeAttrs found [ "imports" ]);
        };
    in
    if lib.isFunction module then lib.setFunctionArgs without (lib.functionArgs module) else without { };
in
adapted
