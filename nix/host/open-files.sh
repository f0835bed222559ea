#!/bin/sh
# How many files of the mount are open, and by whom: who stops it ends their reading.
set -eu

found=$(find /proc/[0-9]*/fd -lname '/mnt/media/*' 2>/dev/null | cut -d / -f 3 | while read -r pid; do
  cat "/proc/$pid/comm" 2>/dev/null || :
done)
count=$(printf '%s' "$found" | grep -c '' || :)
by=$(printf '%s' "$found" | sort | uniq -c | sed 's/^ *\([0-9]*\) \(.*\)/\2 (\1)/' | paste -s -d , | sed 's/,/, /g')
echo "files that are open there: $count${by:+, by $by}"
