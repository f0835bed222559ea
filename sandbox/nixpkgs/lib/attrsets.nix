{ lib }:
rec {
  nameValuePair = name: value: { inherit name value; };
  mapAttrsToList = f: set: map (name: f name set.${name}) (builtins.attrNames set);
  attrsToList = mapAttrsToList nameValuePair;
  mapAttrs' = f: set: builtins.listToAttrs (mapAttrsToList f set);
  concatMapAttrs = f: set: mergeAttrsList (mapAttrsToList f set);
  mergeAttrsList = builtins.foldl' (a: b: a // b) { };
  genAttrs = names: f: builtins.listToAttrs (map (name: nameValuePair name (f name)) names);
  filterAttrs =
    predicate: set:
    builtins.removeAttrs set (
      builtins.filter (name: !predicate name set.${name}) (builtins.attrNames set)
    );
  optionalAttrs = condition: set: if condition then set else { };
  attrByPath =
    path: default: set:
    if path == [ ] then
      set
    else if builtins.isAttrs set && set ? ${builtins.head path} then
      attrByPath (builtins.tail path) default set.${builtins.head path}
    else
      default;
  hasAttrByPath =
    path: set:
    path == [ ]
    || (
      builtins.isAttrs set
      && set ? ${builtins.head path}
      && hasAttrByPath (builtins.tail path) set.${builtins.head path}
    );
  getAttrFromPath =
    path: attrByPath path (throw "cannot find attribute `${builtins.concatStringsSep "." path}'");
  setAttrByPath =
    path: value:
    if path == [ ] then value else { ${builtins.head path} = setAttrByPath (builtins.tail path) value; };
  recursiveUpdate =
    a: b:
    if builtins.isAttrs a && builtins.isAttrs b && !(isDerivation a) && !(isDerivation b) then
      a // builtins.mapAttrs (name: value: if a ? ${name} then recursiveUpdate a.${name} value else value) b
    else
      b;
  isDerivation = x: x.type or null == "derivation";
  zipAttrsWith = builtins.zipAttrsWith;
  zipAttrs = zipAttrsWith (_: values: values);
  getBin = package: package.bin or package.out or package;
  getExe =
    package:
    "${getBin package}/bin/${package.meta.mainProgram or (lib.getName package)}";
  getExe' = package: name: "${getBin package}/bin/${name}";
  makeBinPath = packages: lib.makeSearchPath "bin" packages;
  cartesianProduct =
    sets:
    builtins.foldl' (
      done: name:
      builtins.concatMap (set: map (value: set // { ${name} = value; }) sets.${name}) done
    ) [ { } ] (builtins.attrNames sets);
}
