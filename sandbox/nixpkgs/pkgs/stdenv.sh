# The builder of every derivation: either the one command that it brings, or unpack, patch, build, install.
# shellcheck shell=sh disable=SC2154,SC1090,SC2164 # Nix sets the variables, and starts this by `sh -e`
PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
for tool in $tools; do
  PATH=$tool/bin:$PATH
done
export PATH
TMPDIR=${TMPDIR:-$NIX_BUILD_TOP}

unpackFile() {
  case $1 in
    *.zip) unzip -q "$1" ;;
    *.tar | *.tar.* | *.tgz) tar -xf "$1" ;;
    *) echo "unpacking $1: not a known kind of archive" >&2; return 1 ;;
  esac
}

# Where an archive holds a single folder, the sources are in it.
enterOnlyFolder() {
  set -- *
  if [ $# = 1 ] && [ -d "$1" ]; then
    cd "$1"
  fi
}

runHook() { :; }

# A phase is a text of the derivation's own, or by default nothing.
phase() {
  eval "phase_text=\${$1-}"
  if [ -n "$phase_text" ]; then
    echo "running phase $1"
    eval "$phase_text"
  fi
}

if [ -n "${buildCommandPath-}" ]; then
  . "$buildCommandPath"
elif [ -n "${buildCommand-}" ]; then
  eval "$buildCommand"
else
  cd "$TMPDIR"
  if [ -n "${unpackPhase-}" ]; then
    eval "$unpackPhase"
  elif [ -n "${src-}" ] && [ -z "${dontUnpack-}" ]; then
    mkdir source
    cd source
    if [ -d "$src" ]; then
      cp -R "$src/." .
      chmod -R u+w .
    else
      unpackFile "$src"
      enterOnlyFolder
    fi
  fi
  for one in patchPhase postPatch preConfigure configurePhase preBuild buildPhase preInstall installPhase \
    postInstall fixupPhase postFixup; do
    phase "$one"
  done
fi
