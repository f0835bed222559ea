#!/bin/sh
# Starts Plex's stand-in as NixOS's wrapper starts Plex.
set -eu

plugins="$PLEX_DATADIR/Plex Media Server/Plug-ins"
mkdir -p "$plugins"
find "$plugins" -maxdepth 1 -type l -exec rm {} +
IFS=:
for plugin in ${PLEX_PLUGINS-}; do
  # /nix/store/HASH-Audiobooks.bundle is Audiobooks.bundle there.
  name=$(basename "$plugin")
  ln -sfn "$plugin" "$plugins/${name#*-}"
done

export PLEX_MEDIA_SERVER_APPLICATION_SUPPORT_DIR="$PLEX_DATADIR"
export PLEX_MEDIA_SERVER_HOME="@raw@/lib/plexmediaserver"
export PLEX_STANDIN_VERSION="@version@"
exec "@raw@/lib/plexmediaserver/plexmediaserver"
