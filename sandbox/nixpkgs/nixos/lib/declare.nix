# Options in one line: what they mean is in NixOS's manual.
{ lib }:
{
  option = type: default: lib.mkOption { inherit type default; };
  required = type: lib.mkOption { inherit type; };
  # Not for configurations: what modules tell each other.
  internal =
    type: default:
    lib.mkOption {
      inherit type default;
      internal = true;
    };
  readOnly =
    type: default:
    lib.mkOption {
      inherit type default;
      readOnly = true;
    };
  # What NixOS takes for a value of any of systemd's settings.
  unitOption = lib.types.mkOptionType {
    name = "systemd option";
    check = x: !(builtins.isFunction x);
    merge =
      location: definitions:
      if lib.any (d: builtins.isList d.value) definitions then
        lib.concatMap (d: lib.toList d.value) definitions
      else
        lib.mergeEqualOption location definitions;
  };
}
