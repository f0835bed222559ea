# shellcheck shell=sh
# What is wrong with the backups, for who looks after the host. Sourced by library.sh.
: "${state:?}" "${work:?}"

warnings() {
  last='{}'
  [ ! -s "$state/last.json" ] || last=$(cat "$state/last.json")
  printf '%s\n' "$last" | jq -r '(.sentence // "") as $why |
    if $why == "" then empty
    elif .ok then "the last backup of the library was made, but \($why)"
    else "the backup of the library failed at \(.time): \($why)" end'

  good=$(printf '%s\n' "$last" | jq -r '.good // ""')
  if [ -n "$good" ]; then
    older_than_two_days "$(date -d "$good" +%s)" && echo "the last good backup of the library is of $good"
  elif [ -e "$state/since" ] && older_than_two_days "$(stat -c %Y "$state/since")"; then
    echo "there has been no good backup of the library yet"
  fi

  [ ! -s "$state/check.json" ] ||
    jq -r 'select(.ok | not) | "the check of the backups failed at \(.time): \(.sentence)"' "$state/check.json"

  # Whether key and password open the repository. What restic itself says is for the journal.
  (
    reach
    may_write
    ! grep -qx config "$work/there" || ask --no-lock cat config >/dev/null
  ) 2>"$work/tried" || sed -n 's/^plex-library: /the backups of the library: /p' "$work/tried"
}

older_than_two_days() {
  [ $(($(date +%s) - $1)) -gt 172800 ]
}
