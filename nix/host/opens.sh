#!/bin/sh
# Whether rclone's configuration opens a bucket. Usage: opens.sh CONFIGURATION REMOTE:BUCKET
# (rclone mounts a bucket that does not exist as an empty folder, so nothing else would tell.)
set -eu

reason=$(timeout 60 rclone --config "$1" --retries 1 --low-level-retries 3 --contimeout 10s \
  lsf --max-depth 1 "$2" 2>&1 >/dev/null) && exit 0
reason=$(printf '%s\n' "$reason" | tail -n 1 | sed 's/^[0-9/]* [0-9:]* [A-Z]* *: *//')
echo "$2 cannot be opened with its key: ${reason:-no answer within 60 s}"
[ -z "${REASON:-}" ] || echo "$2 cannot be opened with its key: ${reason:-no answer within 60 s}" >"$REASON"
exit 1
