#!/bin/sh
# Puts right what a power cut has left of Plex, and settings into its Preferences.xml, before each start of Plex:
# while it runs, it writes that file itself. Usage: plex-settings.sh SETTINGS, a file with a NAME=VALUE a line.
#
# A setting that has no value yet gets the one that is wanted, and that is remembered. While it still has what
# was written here, another wanted value replaces it. Any other value is the owner's, and stays.
set -eu

settings=$1
folder="$PLEX_DATADIR/Plex Media Server"
preferences=$folder/Preferences.xml
# Where a backup of Plex takes it along: a server that is made anew still knows what is its owner's.
remembered=$folder/Preferences.written
kept=/var/lib/plex-gate/Preferences.xml # the last whole one, which gate.sh keeps

# It names the Plex that ran when the power was cut. Somebody else may have that number now, and Plex would take
# whoever it is for a Plex that runs already.
rm -f "$folder/plexmediaserver.pid"

# What the parser says of a broken file has pieces of it, and among them may be the owner's token.
whole() {
  xmlstarlet sel -Q -t -c /Preferences "$1" 2>/dev/null
}

mkdir -p "$folder"
umask 077
# Plex writes it in place, so that a power cut leaves it empty or cut. With such a one Plex runs, and never answers.
if [ -e "$preferences" ] && ! whole "$preferences" && [ -e "$kept" ]; then
  cp "$preferences" "$preferences.broken" || :
  cp "$kept" "$preferences.new"
  sync "$preferences.new"
  mv "$preferences.new" "$preferences"
  echo "<4>plex-settings: $preferences was empty or damaged; the last good copy is back, and the other is $preferences.broken"
fi
if [ ! -s "$preferences" ]; then
  rm -f "$remembered"
  echo '<Preferences/>' >"$preferences.new"
  mv "$preferences.new" "$preferences"
fi
touch "$remembered"

if ! whole "$preferences"; then
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
