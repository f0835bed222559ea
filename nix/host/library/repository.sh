# shellcheck shell=sh
# The repository: whether it answers, what is in it, and what is meant where it refuses. Sourced by library.sh.
: "${STACK:?}" "${BUCKET:?}" "${PREFIX:?}" "${state:?}" "${work:?}"

place=$BUCKET/$PREFIX
credentials=${CREDENTIALS_DIRECTORY:-/var/lib/secrets}
export RCLONE_CONFIG="$credentials/backup.conf"
export RCLONE_LOG_LEVEL=ERROR
export RESTIC_REPOSITORY="rclone:backup:$place"
export RESTIC_PASSWORD_FILE="$credentials/backup.password"
export RESTIC_CACHE_DIR=/var/cache/library
export RESTIC_PROGRESS_FPS=0.1 # a line every ten seconds
export TZ=UTC                  # in which backups are dated

# The last line in which a program said why, without the time and what it calls it. One that was ended said nothing.
reason() {
  sed -nE 's/^(.* )?(CRITICAL|ERROR|Error|Fatal|error) ?: +//p' "$work/said" | tail -n 1 | grep . ||
    tail -n 1 "$work/said" | grep . || echo "it took too long"
}

# rclone, which does not try for long, since we do.
remote() {
  timeout 120 rclone --retries 1 --low-level-retries 2 --contimeout 10s "$@" 2>"$work/said"
}

# A cap that is reached is nothing that a key or a repository could be blamed for.
capped() {
  code=$(grep -o '(403 [a-z]*_cap_exceeded)' "$work/said" | tail -n 1)
  [ -z "$code" ] || fail 75 "a cap of your account at Backblaze is reached $code. Raise it on its page Caps & Alerts; the \
counts begin anew at 0:00 UTC"
}

# Lists what lies in the repository's place, into the file `there`. And reads some of it, as found in the listing: where
# downloads are refused, rclone says of a file that it is not there, and restic tries for a quarter of an hour.
reach() {
  if remote lsf "backup:$place" >"$work/there"; then
    ! grep -qx config "$work/there" || remote cat --max-depth 1 --include /config "backup:$place" >/dev/null || capped
    return 0
  fi
  capped
  case $(cat "$work/said") in
    *nauthorized*)
      fail 78 "Backblaze does not take the key of the backups; check backupKeyId and backupApplicationKey"
      ;;
    *"must use bucket"*)
      fail 78 "the key of the backups is not for the bucket $BUCKET; check backupKeyId and backupBucket"
      ;;
    *"directory not found"* | *"no longer exists"*)
      fail 78 "there is no bucket $BUCKET; make it at Backblaze, or check backupBucket"
      ;;
  esac
  fail 75 "Backblaze does not answer: $(reason)"
}

# Whether the key may write. restic itself would try for a quarter of an hour.
may_write() {
  probe=backup:$place/writable.$$
  tries=5
  until echo test | remote rcat "$probe" && remote deletefile "$probe"; do
    capped
    tries=$((tries - 1))
    case $tries:$(cat "$work/said") in
      0:*"(429 "* | 0:*"(50"[0-9]" "*) fail 75 "Backblaze has no time for an upload: $(reason)" ;;
      # What B2 says of an upload every now and then: another one goes elsewhere.
      *"(429 "* | *"(50"[0-9]" "*) continue ;;
    esac
    fail 78 "the key of the backups may not write to the bucket $BUCKET; make one that may read and write: $(reason)"
  done
}

# restic, with a sentence of ours where it fails.
ask() {
  status=0
  restic "$@" 2>"$work/said" || status=$?
  cat "$work/said" >&2
  [ "$status" = 0 ] || refused
}

refused() {
  capped
  why=$(reason)
  case $status in
    10) fail 78 "$place is not empty, but is no repository of backups; check backupBucket and backupPrefix" ;;
    11) fail 75 "the repository is in use: $why" ;;
    12)
      fail 78 "the repository at $place was made with another password than this stack's. If you have that one, \
the output backupPassword of then, \`sudo plex-library password\` asks for it"
      ;;
  esac
  reach
  fail 78 "the repository at $place answers, but cannot be used: $why"
}

# Sees to it that there is a repository, and makes one where nothing is.
open() {
  reach
  if [ ! -s "$work/there" ]; then
    [ "$(cat "$state/repository" 2>/dev/null)" != "$place" ] || fail 78 "the repository at $place is gone, with \
all backups in it. If that was meant, \`sudo rm $state/repository\` lets the next backup begin a new one"
    make
  elif ! grep -qvxE 'config|keys/|locks/|writable.*' "$work/there"; then
    # No backup has ever come to its end here. What cannot be opened either, since its making was cut short or
    # since it is of an earlier life of this stack, makes way.
    status=0
    restic --no-lock cat config >/dev/null 2>"$work/said" || status=$?
    case $status in
      0) ;;
      1 | 10 | 12)
        remote delete "backup:$place" || fail 75 "what is left of a repository cannot be deleted: $(reason)"
        make
        ;;
      *) refused ;;
    esac
  fi
  printf '%s\n' "$place" >"$state/repository"
}

make() {
  may_write
  ask --quiet init
  : >"$work/snapshots"
}

# This stack's backups, into the file `snapshots`: a line of JSON each, the newest last.
snapshots() {
  ask --no-lock snapshots --json --host "$STACK" >"$work/all"
  jq -c '[.[] | select(any(.tags[]?; startswith("nixpkgs=")))] | sort_by(.time)[] |
    (.tags | map(split("=") | {(.[0]): .[1]}) | add) +
    {id: .short_id, time, size: ((.summary.total_bytes_processed | numbers) // 0), paths}' "$work/all" >"$work/snapshots"
}

# One of them by its ID, the newest without one, into the file `chosen`.
choose() {
  jq -c --arg id "$1" 'select($id == "" or .id == $id[:8])' "$work/snapshots" | tail -n 1 >"$work/chosen"
  [ -s "$work/chosen" ] || fail 78 "there is no backup $1 at $place; \`sudo plex-library list\` names them"
}

# A field of the chosen one.
field() {
  jq -r ".$1" "$work/chosen"
}

list() {
  reach
  if [ -s "$work/there" ]; then
    snapshots
  else
    : >"$work/snapshots"
  fi
  if [ ! -s "$work/snapshots" ]; then
    echo "There are no backups at $place yet."
    return
  fi
  row='%-10s%-18s%10s  %-34s%s\n'
  # shellcheck disable=SC2059 # the row is the format
  printf "$row" ID "made (UTC)" size nixpkgs Plex
  jq -r '[.id, (.time[:16] | sub("T"; " ")), "\(.size / 1000000 | ceil) MB", .nixpkgs, .plex] | @tsv' \
    "$work/snapshots" | while IFS="$(printf '\t')" read -r id time size nixpkgs plex; do
    # shellcheck disable=SC2059
    printf "$row" "$id" "$time" "$size" "$nixpkgs" "$plex"
  done
}

# Adds this stack's password to a repository that was made with another, which restic asks for.
password() {
  reach
  status=0
  (
    unset RESTIC_PASSWORD_FILE
    restic key add --new-password-file "$credentials/backup.password" 2>"$work/said"
  ) || status=$?
  [ "$status" != 12 ] || fail 78 "that is not its password either"
  [ "$status" = 0 ] || refused
  systemctl start --no-block plex.service
}

# Takes away every password but this stack's, which has to open the repository for that.
sole_password() {
  reach
  ask key list --json >"$work/keys"
  jq -r '.[] | select(.current | not).id' "$work/keys" | while read -r id; do
    ask key remove "$id"
  done
}
