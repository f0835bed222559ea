# Packages that are more than links to programs.
{ lib, pkgs }:
let
  unfree = {
    shortName = "unfree";
    fullName = "Unfree";
    free = false;
  };
in
{
  # The sandbox's own authority is in the bundle that a machine brings.
  cacert = pkgs.runCommand "nss-cacert" { } ''
    mkdir -p $out/etc/ssl/certs
    ln -s /usr/lib/sandbox/ca-certificates.crt $out/etc/ssl/certs/ca-bundle.crt
  '';

  tzdata = pkgs.runCommand "tzdata" { } ''
    mkdir -p $out/share
    ln -s /usr/share/zoneinfo $out/share/zoneinfo
  '';

  systemd = pkgs.runCommand "systemd-debian" { } ''
    mkdir -p $out/bin $out/lib
    for name in bus hostname journal locale login network resolve system timedate varlink; do
      set -- "$@" "/usr/bin/''${name}ctl"
    done
    for program in "$@" /usr/bin/systemd-* /usr/bin/udevadm /usr/bin/run0 \
      /usr/sbin/halt /usr/sbin/poweroff /usr/sbin/reboot /usr/sbin/shutdown; do
      [ ! -e "$program" ] || ln -s "$program" $out/bin/
    done
    ln -s /usr/lib/systemd $out/lib/systemd
  '';

  # A finding of any severity is a failed build. Like nixpkgs, it says what was found, and then the whole file.
  writers.writeNginxConfig =
    name: text:
    pkgs.runCommandLocal name
      {
        inherit text;
        passAsFile = [ "text" ];
        nativeBuildInputs = [ pkgs.gixy ];
      }
      ''
        cp "$textPath" "$out"
        gixy "$out" || {
          printf '\n\nThe whole file:\n\n'
          cat "$out"
          exit 1
        }
      '';

  # Debian's kernel, which only a machine with a boot loader of its own runs. It is another with each nixpkgs, as there:
  # a loader does not look at what lies behind the kernel.
  linux = pkgs.runCommand "linux-${lib.trivial.version}" { } ''
    mkdir -p $out/lib
    cp /usr/lib/sandbox/vmlinuz $out/bzImage
    chmod u+w $out/bzImage
    echo "${lib.trivial.version}" >>$out/bzImage
    ln -s /usr/lib/modules $out/lib/modules
  '';

  # Its version is asked for, so it has to be true. NixOS 25.11 has one that does not know every flag of today's.
  rclone =
    let
      old = lib.trivial.release == "25.11";
    in
    pkgs.mkDerivation {
      pname = "rclone";
      version = if old then "1.72.1" else "1.76.0";
      wrapper = lib.optionalString old "${./rclone-1.72.sh}";
      buildCommand = ''
        program=$(command -v rclone)
        told=$(HOME=$TMPDIR "$program" version | sed -n '1s/^rclone v//p')
        if [ "$(printf '%s\n' "$version" "$told" | sort -V | head -n 1)" != "$version" ]; then
          echo "$pname: $program is $told, where $version is wanted" >&2
          exit 1
        fi
        mkdir -p $out/bin
        if [ -n "$wrapper" ]; then
          sed "s|@rclone@|$program|" "$wrapper" >$out/bin/rclone
          chmod +x $out/bin/rclone
        else
          ln -s "$program" $out/bin/rclone
        fi
      '';
      meta.mainProgram = "rclone";
    };

  # The stand-in program for Plex, under the package's real name and licence, with what NixOS's wrapper does:
  # the place of the data, and the plug-ins' links, which are made anew at each start.
  plexRaw = pkgs.mkDerivation {
    pname = "plexmediaserver";
    version = "1.42.${lib.trivial.version}"; # another with each nixpkgs
    meta.license = unfree;
    buildCommand = ''
      mkdir -p $out/lib
      ln -s /usr/lib/sandbox/plex $out/lib/plexmediaserver
    '';
  };
  plex = pkgs.mkDerivation {
    inherit (pkgs.plexRaw) pname version meta;
    raw = pkgs.plexRaw;
    wrapper = ./plex.sh;
    buildCommand = ''
      mkdir -p $out/bin
      sed "s|@raw@|$raw|; s|@version@|$version|" $wrapper >$out/bin/plexmediaserver
      chmod +x $out/bin/plexmediaserver
    '';
  };
}
