# A package of Debian's: $out/bin holds links to those of its programs that the machine has.
{ mkDerivation }:
name: programs:
mkDerivation {
  pname = name;
  version = "debian";
  programs = map (p: if builtins.isString p then "${p}:${p}" else "${p.as}:${p.is}") programs;
  preferLocalBuild = true;
  allowSubstitutes = false;
  buildCommand = ''
    mkdir -p "$out/bin"
    for program in $programs; do
      for folder in /usr/local/bin /usr/local/sbin /usr/bin /usr/sbin; do
        if [ -e "$folder/''${program#*:}" ]; then
          [ -e "$out/bin/''${program%%:*}" ] || ln -s "$folder/''${program#*:}" "$out/bin/''${program%%:*}"
          break
        fi
      done
    done
    if [ -z "$(ls "$out/bin")" ]; then
      echo "$pname: the sandbox's machines have no such program; real nixpkgs would build it" >&2
      exit 1
    fi
  '';
  meta.mainProgram =
    let
      first = builtins.head programs;
    in
    if builtins.isString first then first else first.as;
}
