#!/bin/sh
# Has the mount look at what is in the bucket now. B2 tells nobody of new files, and the mount keeps all folders
# in memory, so that Plex's scans list nothing.
# Usage: media-refresh [FOLDER], such as Films or /mnt/media/Films, with all that is in it
#        media-refresh --emptied, when the bucket is empty because somebody wanted it so
# Status 75: it cannot be asked at present.
# (What calls this puts the remote with its bucket before these.)
set -eu

remote=$1
folder=${2:-}
folder=${folder#/mnt/media}
folder=${folder#/}
folder=${folder%/}
asked=$(date +%s%3N)

say() {
  echo "media-refresh: $*"
}

# refresh [FOLDER] [recursive=true] prints OK, or why not.
refresh() {
  timeout 900 rclone rc --unix-socket /run/media/rclone.sock vfs/refresh "$@" 2>/dev/null | jq -r '.error // .result[]'
}

[ "$(id -u)" = 0 ] || { say "it takes root: sudo media-refresh" >&2; exit 2; }
if [ "$folder" = --emptied ]; then
  rm -f "/var/lib/media/held-${remote#*:}"
  systemctl restart media.service
  say "$remote may be empty"
  exit 0
fi
systemctl is-active --quiet media.service || {
  say "the bucket is not mounted; see journalctl -u media"
  exit 75
}

# One at a time: of two, rclone might keep the older list. Who can open a file can hold its lock, so it is root's alone.
install -d -m 700 /run/host-locks
exec 9>/run/host-locks/media-refresh
flock -w 1800 9 || {
  say "another one is still at work after half an hour; \`sudo lslocks\` names it"
  exit 75
}

# Asked of the bucket itself: the mount would show an emptied one, and Plex drop its library.
checked=0
reason=$(sh "$(dirname "$0")/media-check.sh" "${CREDENTIALS_DIRECTORY:-/var/lib/secrets}/rclone.conf" "$remote") || checked=$?
case $checked in
  0) ;;
  3)
    say "$reason"
    say "stopping the mount, and Plex with it; they start again when this is right"
    systemctl --no-block restart media.service
    exit 1
    ;;
  *)
    say "$reason"
    exit 75
    ;;
esac

if [ -n "$folder" ]; then
  # A new folder is seen once those above it were looked at.
  if [ ! -d "/mnt/media/$folder" ]; then
    refresh >/dev/null
    above=${folder%/*}
    [ "$above" = "$folder" ] || printf '%s\n' "$above" | awk -F / '{ for (i = 1; i <= NF; i++) print path = path (i > 1 ? "/" : "") $i }' |
      while IFS= read -r path; do refresh "dir=$path" >/dev/null; done
  fi
  answer=$(refresh "dir=$folder" recursive=true)
else
  answer=$(refresh recursive=true)
fi
case $answer in
  OK) ;;
  "file does not exist" | "directory not found")
    say "there is no folder $folder in the bucket"
    exit 1
    ;;
  *)
    say "the bucket cannot be listed: ${answer:-the mount does not answer}"
    exit 75
    ;;
esac

# Files with a newline in their names are one, too.
entries=$(find "/mnt/media/$folder" -mindepth 1 -printf x | wc -c)
took=$(($(date +%s%3N) - asked))
say "$entries files and folders${folder:+ in $folder}, in $((took / 1000)).$(printf %03d $((took % 1000)) | cut -c 1) s"
