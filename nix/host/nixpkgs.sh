#!/bin/sh
# Puts a nixpkgs into DIRECTORY and prints its path there.
# Usage: nixpkgs.sh DIRECTORY URL [SHA256], the hash being the tree's, as `nix-hash --sri` prints it. Without
# one, HTTPS alone vouches for it, as for any channel.
set -eu

directory=$1
url=$2
sha256=${3:-}

tree=$directory/$(basename "$(dirname "$url")")
if [ ! -d "$tree" ]; then
  mkdir -p "$directory"
  rm -rf "$directory"/.fetching.* # of a run that was cut short
  fetched=$(mktemp -d "$directory/.fetching.XXXXXX")
  trap 'rm -rf "$fetched"' EXIT
  trap 'exit 1' HUP INT TERM
  curl -fsSL --retry 5 --connect-timeout 20 --max-time 900 -o "$fetched/nixexprs.tar.xz" "$url"
  mkdir "$fetched/tree"
  chmod 755 "$fetched/tree"
  tar -xJf "$fetched/nixexprs.tar.xz" --strip-components=1 --no-same-owner -C "$fetched/tree"
  found=$(nix-hash --type sha256 --sri "$fetched/tree")
  if [ -n "$sha256" ] && [ "$found" != "$sha256" ]; then
    echo "nixpkgs: $url has the hash $found, but the pin says $sha256" >&2
    exit 1
  fi
  mv "$fetched/tree" "$tree"
fi
echo "$tree"
