{ lib }:
rec {
  singleton = x: [ x ];
  toList = x: if builtins.isList x then x else [ x ];
  optional = condition: x: if condition then [ x ] else [ ];
  optionals = condition: xs: if condition then xs else [ ];
  flatten = x: if builtins.isList x then builtins.concatMap flatten x else [ x ];
  remove = x: builtins.filter (y: y != x);
  foldr =
    f: nul: list:
    let
      length = builtins.length list;
      go = n: if n == length then nul else f (builtins.elemAt list n) (go (n + 1));
    in
    go 0;
  foldl = builtins.foldl';
  imap0 = f: list: builtins.genList (n: f n (builtins.elemAt list n)) (builtins.length list);
  imap1 = f: list: builtins.genList (n: f (n + 1) (builtins.elemAt list n)) (builtins.length list);
  last = list: builtins.elemAt list (builtins.length list - 1);
  init = list: take (builtins.length list - 1) list;
  take =
    n: list: builtins.genList (builtins.elemAt list) (lib.max 0 (lib.min n (builtins.length list)));
  drop =
    n: list:
    let
      length = builtins.length list;
    in
    builtins.genList (i: builtins.elemAt list (i + n)) (lib.max 0 (length - n));
  unique = builtins.foldl' (seen: x: if builtins.elem x seen then seen else seen ++ [ x ]) [ ];
  allUnique = list: builtins.length (unique list) == builtins.length list;
  reverseList =
    list:
    let
      length = builtins.length list;
    in
    builtins.genList (n: builtins.elemAt list (length - n - 1)) length;
  range = first: last': if first > last' then [ ] else builtins.genList (n: first + n) (last' - first + 1);
  count = predicate: list: builtins.length (builtins.filter predicate list);
  findFirst =
    predicate: default: list:
    let
      found = builtins.filter predicate list;
    in
    if found == [ ] then default else builtins.head found;
  subtractLists = e: builtins.filter (x: !builtins.elem x e);
  intersectLists = e: builtins.filter (x: builtins.elem x e);
  zipListsWith =
    f: a: b:
    builtins.genList (n: f (builtins.elemAt a n) (builtins.elemAt b n)) (
      lib.min (builtins.length a) (builtins.length b)
    );
  # Stable, as builtins.sort is.
  sortOn = f: builtins.sort (a: b: f a < f b);
}
