# What a definition can be wrapped in: a condition, a priority, a place in the order.
{ lib }:
rec {
  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkAssert =
    condition: message: content:
    mkIf (condition || throw "\nFailed assertion: ${message}") content;
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
  mkOptionDefault = mkOverride 1500;
  mkDefault = mkOverride 1000;
  defaultOverridePriority = 100;
  mkImageMediaOverride = mkOverride 60;
  mkForce = mkOverride 50;
  mkVMOverride = mkOverride 10;
  mkOrder = priority: content: {
    _type = "order";
    inherit priority content;
  };
  mkBefore = mkOrder 500;
  defaultOrderPriority = 1000;
  mkAfter = mkOrder 1500;

  # `mkIf c { a = …; }` is `{ a = mkIf c …; }`: the list of plain attribute sets that a module's config is made of.
  pushDownProperties =
    config:
    if config._type or "" == "merge" then
      builtins.concatMap pushDownProperties config.contents
    else if config._type or "" == "if" then
      map (builtins.mapAttrs (_: mkIf config.condition)) (pushDownProperties config.content)
    else if config._type or "" == "override" then
      map (builtins.mapAttrs (_: mkOverride config.priority)) (pushDownProperties config.content)
    else
      [ config ];

  # The definitions that remain when conditions and merges have been taken away.
  dischargeProperties =
    definition:
    if definition._type or "" == "merge" then
      builtins.concatMap dischargeProperties definition.contents
    else if definition._type or "" == "if" then
      if builtins.isBool definition.condition then
        if definition.condition then dischargeProperties definition.content else [ ]
      else
        throw "‘mkIf’ called with a non-Boolean condition"
    else
      [ definition ];

  # Only the definitions of the highest priority, which is the lowest number.
  filterOverrides =
    definitions:
    let
      priority = d: if d.value._type or "" == "override" then d.value.priority else defaultOverridePriority;
      highest = builtins.foldl' (found: d: lib.min (priority d) found) 9999 definitions;
      strip = d: if d.value._type or "" == "override" then d // { value = d.value.content; } else d;
    in
    {
      values = builtins.concatMap (d: lib.optional (priority d == highest) (strip d)) definitions;
      inherit highest;
    };

  sortProperties =
    definitions:
    let
      strip =
        d:
        if d.value._type or "" == "order" then
          d
          // {
            value = d.value.content;
            inherit (d.value) priority;
          }
        else
          d;
      priority = d: d.priority or defaultOrderPriority;
    in
    if builtins.any (d: d.value._type or "" == "order") definitions then
      builtins.sort (a: b: priority a < priority b) (map strip definitions)
    else
      definitions;
}
