#!/bin/sh
# Whether rclone's configuration opens a bucket. Usage: opens.sh CONFIGURATION REMOTE:BUCKET [LISTING]
# (rclone mounts a bucket that does not exist as an empty folder, so nothing else would tell.)
# LISTING is a file for what lies at the bucket's top. Status 3: it is B2 that says no; 1: it may open later.
set -eu

reason=$(timeout 60 rclone --config "$1" --retries 1 --low-level-retries 3 --contimeout 10s \
  lsf --max-depth 1 "$2" 2>&1 >"${3:-/dev/null}") && exit 0
reason=$(printf '%s\n' "$reason" | tail -n 1 | sed 's/^[0-9/]* [0-9:]* [A-Z]* *: *//')
case $reason in
  # The key is good, and the bucket is there.
  *_cap_exceeded\)*)
    says="$2 cannot be listed, since a cap of your account at Backblaze is reached (${reason##*(}. Raise it on its page \
Caps & Alerts; the counts begin anew at 0:00 UTC"
    ;;
  *) says="$2 cannot be opened with its key: ${reason:-no answer within 60 s}" ;;
esac
echo "$says"
[ -z "${REASON:-}" ] || echo "$says" >"$REASON"
case $reason in
  # A key that is not one, a bucket that is not there, and a key for another bucket.
  *"(401 "* | *"directory not found"* | *"you must use bucket"*) exit 3 ;;
esac
exit 1
