#!/bin/sh
# Puts settings into Plex's Preferences.xml, before each start of Plex: while it runs, it writes that file itself.
# Usage: plex-settings.sh SETTINGS, a file with a NAME=VALUE a line.
#
# A setting that has no value yet gets the one that is wanted, and that is remembered. While it still has what
# was written here, another wanted value replaces it. Any other value is the owner's, and stays.
set -eu

settings=$1
folder="$PLEX_DATADIR/Plex Media Server"
preferences=$folder/Preferences.xml
# Where a backup of Plex takes it along: a server that is made anew still knows what is its owner's.
remembered=$folder/Preferences.written

mkdir -p "$folder"
umask 077
if [ ! -e "$preferences" ]; then
  rm -f "$remembered"
  echo '<Preferences/>' >"$preferences.new"
  mv "$preferences.new" "$preferences"
fi
touch "$remembered"

# What the parser says of a broken file has pieces of it, and among them may be the owner's token.
if ! xmlstarlet sel -Q -t -c /Preferences "$preferences" 2>/dev/null; then
  echo "<4>plex-settings: $preferences is not what Plex writes, and is left as it is" # a warning
  exit 0
fi

set --
: >"$remembered.new"
while IFS='=' read -r name wanted; do
  value=$(xmlstarlet sel -T -t -v "/Preferences/@$name" "$preferences" || :)
  ours=$(sed -n "s/^$name=//p" "$remembered")
  if [ "$value" = "$ours" ] && [ "$value" != "$wanted" ]; then
    echo "plex-settings: $name is $wanted"
    set -- "$@" -d "/Preferences/@$name" -i /Preferences -t attr -n "$name" -v "$wanted"
    value=$wanted
  fi
  [ "$value" != "$wanted" ] || ours=$wanted
  echo "$name=$ours" >>"$remembered.new"
done <"$settings"

# Renamed into place in this order: what was written and not yet remembered is recognised by its value.
if [ $# != 0 ]; then
  xmlstarlet ed -P "$@" "$preferences" >"$preferences.new"
  sync "$preferences.new"
  mv "$preferences.new" "$preferences"
fi
mv "$remembered.new" "$remembered"
