#!/bin/sh
# How much of the disk the mount's cache may take, as rclone's own variable: what is left beside all else that
# belongs there. Usage: media-cache.sh CACHE ENVIRONMENT, the second a file that is written
set -eu

# All in MiB. Two generations with nothing in common are 6 GB; the rest is for Plex, which grows, and the journal.
others=10240
least=1024
swap=2048 # memory.nix has it made when there is none
databases='/var/lib/plex/Plex Media Server/Plug-in Support/Databases'

# Services own what is measured, and bash runs commands within what it adds up: nothing but a number comes of it.
size() {
  du -sm "$1" 2>/dev/null | cut -f 1 | grep -x '[0-9][0-9]*' || echo 0
}

free=$(df -m --output=avail "$1" | tail -n 1 | tr -dc 0-9)
there=$(size "$1")
swap=$((swap - $(size /var/lib/swapfile)))
[ "$swap" -gt 0 ] || swap=0
# A change that brings another Plex copies its databases, and keeps the copy of the change before.
cache=$((free + there - others - swap - 2 * $(size "$databases")))
[ "$cache" -ge "$least" ] || cache=$least
echo "RCLONE_VFS_CACHE_MAX_SIZE=${cache}M" >"$2"
echo "media-cache: $cache MiB, of which $there are there; $free MiB of the disk are free"
